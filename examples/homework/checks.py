"""What the tests of the homework are made of: an item, a gradient check, a comparison of values.

An item is a test with points. Its parameters are named like the functions that it needs: they are
taken from the student's file, or from the notebook that calls it. An item that fails
says what kind of mistake it is, where it is, and gives a hint, one step towards the solution.
"""

import ast
import errno
import inspect
import sys
import traceback
from pathlib import Path

import numpy as np

from ae_numpy.gradcheck import check_gradients

ASSIGNMENTS = ("neuron", "dense", "activations", "network", "bias_mask", "autoencoder")
ALLOWED = ("numpy", "math", "__future__", *ASSIGNMENTS)

# One question for each kind of mistake: it leads one step further, and does not give the solution.
HINTS = {
    "sign": "If this number grows a little, does the loss rise or fall? Compare with your sign.",
    "factor": "Take a single number through it on paper, and count the factors on the way.",
    "batch_factor": "How often does the loss divide by the number of samples? And your gradient?",
    "transposed": "Write the shape of each factor under the product, with three different lengths.",
    "permuted": "Print a small example: which entry went where?",
    "repeated_rows": "What is kept when two samples write to the same row?",
    "not_summed": "All samples share this parameter. What becomes of gradients where paths join?",
    "zero": "Nothing arrives. Go back from the loss, step by step: where does it stop?",
    "one_sample": "Try a batch of two. Which of them is left in your result?",
    "swapped": "Compare the order of your results with the order in the docstring.",
    "weight_decay": "Differentiate the penalty alone. Is it in the loss and in the gradient?",
    "l1": "What is the slope of abs(w) left and right of zero?",
    "activation_derivative": "Draw the activation. Where is it steep, where flat? Is it the number "
    "that goes in, or the one that comes out, that you put into the derivative?",
    "wrong_input": "What went into this layer on the way forward? Print it beside what you use.",
    "untransposed_weights": "Forward, W[i, o] leads from i to o. Which index is summed on the way "
    "back, and where must it stand in the product?",
    "updated_weights": "Which weights did the forward pass use? Are they still the same?",
    "cross_terms": "Nudge one input only. Which outputs move?",
    "time_steps": "In how many steps is it used?",
    "broadcast": "Print the shapes of the two arrays that you subtract.",
    "mask": "Which entries must not move? What does that say about their gradient?",
    "missing_term": "In how many places is it used on the way forward? Each is a path back.",
    "clipped": "Is the gradient itself limited, or only the step that uses it?",
    "unused": "Does the loss use what it is given, or something else of the same name?",
    "rounding": "Where are digits lost: a cast, an integer array, a call of round?",
    "raw_error": "You carry an error down. Is it that of what goes into the activation, or of what "
    "comes out? Which of them did the next layer's weights see?",
    "shape": "Print the shape of each array on the way.",
    "value": "Do this example on paper, and print what you get after each step.",
    "in_place": "Which of your lines writes into an array that was there before?",
    "not_written": "Start with one line, and run the tests again.",
}


class AnswerError(AssertionError):
    """What is wrong with an answer: kinds, and a message for the student."""

    def __init__(self, kinds, message):
        super().__init__(message)
        self.kinds, self.message = tuple(kinds), message

    def _render_traceback_(self):
        """What a notebook shows: the message alone."""
        return [self.message]


def with_hints(kinds, lines):
    """The answer that consists of these lines, and of a hint for each kind."""
    hints = [f"Hint: {HINTS[kind]}" for kind in dict.fromkeys(kinds) if kind in HINTS]
    return AnswerError(dict.fromkeys(kinds), "\n".join([*lines, *hints]))


# Gradients


def gradient(loss_and_gradients, parameters, batch=(), *, only=None, masks=None):
    """Check gradients by the package's checker; `only` names those that count."""
    counted = only or list(parameters)

    def function(p, *batch):
        J, d = loss_and_gradients(p, *batch)
        return J, without_others(d, p, counted) if isinstance(d, dict) else d

    try:
        report = check_gradients(function, parameters, batch=batch or None, masks=masks)
    except (TypeError, ValueError) as error:
        if line_of(error):
            raise
        raise with_hints(["shape" if "shape" in str(error) else "value"], [str(error)]) from None
    names = [a.name for a in report.arrays if a.verdict != "right" and a.name in counted]
    if names:
        raise explained(report, names)


def without_others(gradients, parameters, counted):
    """The gradients, with 0 for what does not count and is missing, or of another shape."""
    found = {}
    for name, array in parameters.items():
        given = gradients.get(name)
        if name not in counted and not fits(given, array):
            found[name] = 0 * array
        elif name in gradients:
            found[name] = given
    return found


def joined(loss, backward):
    """One function of a loss and of a student's gradients, which get real numbers only."""

    def loss_and_gradients(parameters, *batch):
        J = loss(parameters, *batch)
        return J, parameters if np.iscomplexobj(J) else backward(parameters, *batch)

    return loss_and_gradients


def named(returned, only=None, **like):
    """Gradients by name, from a tuple in this order; `only` names those that count."""
    names = ", ".join(f"d{name}" for name in like)
    parts = returned if isinstance(returned, tuple) else (returned,)
    if all(part is None or part is ... for part in parts):
        require_written(None, names)
    if len(parts) != len(like):
        raise with_hints(["shape"], [f"{len(parts)} results; expected {len(like)}: {names}."])
    shapes, expected = [[np.shape(a) for a in arrays] for arrays in (parts, like.values())]
    if shapes != expected and sorted(shapes) == sorted(expected):
        raise with_hints(["swapped"], [f"The results are not in the order {names}."])
    found = dict(zip(like, parts, strict=True))
    for name, part in found.items():
        if only is None or name == only:
            found[name] = as_numbers(part, f"d{name}")
        elif not fits(part, like[name]):
            found[name] = 0 * like[name]
    return found


def fits(given, like):
    """Are these numbers, of the right shape?"""
    return np.shape(given) == np.shape(like) and np.asarray(given).dtype.kind in "biufc"


def explained(report, names):
    """What a report says about some of its arrays, in its own words, without the right formula."""
    found = [f for f in report.diagnosis.findings if set(f.arrays) & set(names)]
    if len({kind for finding in found for kind in finding.kinds}) > 1:  # then only what is certain
        found = [finding for finding in found if finding.certain]
    lines = [f"The gradient is {report.verdict}: {', '.join(names)}."]
    lines += [f"Kind: {finding.heading}." for finding in found]
    lines += [f"Place: {text}" for text in report.diagnosis.located]
    if not found:
        worst = max((a for a in report.arrays if a.name in names), key=lambda a: a.max_error).worst
        lines.append(f"Worst: {worst.name}{list(worst.index or ())} is {worst.given:.6g}, "
                     f"measured {worst.expected:.6g}.")  # fmt: skip
    return with_hints([kind for finding in found for kind in finding.kinds], lines)


# Values


def value(given, expected, what, *, tolerance=1e-9):
    """Compare a result with the numbers expected of it; several results in a tuple."""
    require_written(given, what)
    if isinstance(expected, tuple):
        if not isinstance(given, tuple) or len(given) != len(expected):
            raise with_hints(["shape"], [f"{what} must return {len(expected)} things, in a tuple."])
        for k, (one, right) in enumerate(zip(given, expected, strict=True)):
            value(one, right, f"result {k} of {what}", tolerance=tolerance)
        return
    given, expected = as_numbers(given, what), np.asarray(expected)
    if given.shape != expected.shape:
        raise with_hints(["shape"], [f"{what} has shape {given.shape}; expected {expected.shape}."])
    scale = max(np.max(np.abs(expected), initial=0), np.finfo(float).tiny)
    wrong = ~(np.abs(given - expected) <= tolerance * scale)  # NaN is wrong, too
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        place = f"{what}: entry {list(at)}" if at else what
        line = f"{place} is {given[at]:.6g}; expected {expected[at]:.6g}."
        raise with_hints([kind_of(given, expected)], [line])


def require_written(given, what):
    """Fail where nothing was returned."""
    require(given is not None and given is not ..., f"{what}: nothing is returned.", "not_written")


def as_numbers(given, what):
    """The result as an array of numbers, or the answer that it is none."""
    require_written(given, what)
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise with_hints(["shape"], [f"{what} is {type(given).__name__}; expected numbers."])
    return array


def kind_of(given, expected):
    """What is wrong with an array of at least two different numbers, where that is plain to see."""
    some = expected != 0
    known = np.isfinite(given).all() and len(np.unique(expected[some])) > 1 and given[some].all()
    ratio = given[some] / expected[some] if known and not given[~some].any() else np.arange(2.0)
    if np.ptp(ratio) < 1e-9 * np.max(np.abs(ratio)):
        return "sign" if np.isclose(ratio[0], -1, rtol=1e-9) else "factor"
    square = expected.ndim == 2 and expected.shape[0] == expected.shape[1]
    return "transposed" if square and np.allclose(given, expected.T) else "value"


def unchanged(now, before, what):
    """Fail unless an argument has kept its values."""
    text = f"{what} was changed: the function must leave its arguments as they are."
    require(np.array_equal(now, before), text, "in_place")


def require(condition, message, kind="value"):
    """Fail with a message, and a hint for this kind, unless the condition holds."""
    if not condition:
        raise with_hints([kind], [message])


# Items


class Item:
    """A test with points, and what it says about a student's functions."""

    def __init__(self, test, module, points):
        self.test, self.module, self.points = test, module, points
        self.name, self.title = test.__name__.removeprefix("test_"), test.__doc__

    def outcome(self, space=None):
        """Run the test: kinds and message, both empty if it passed.

        The functions that it asks for are taken from `space`, or from the student's file.
        """
        try:
            self.test(*self._functions(load(self.module) if space is None else space))
        except AnswerError as answer:
            return answer.kinds, answer.message
        except BaseException as error:  # whatever a student's code raises is an answer
            return raised(error)
        return (), ""

    def _functions(self, space):
        """The functions that the test's parameters are named like."""
        names = list(inspect.signature(self.test).parameters)
        for name in names:
            if not callable(space.get(name)):
                text = f"There is no function {name} in {self.module}: it must be called just that."
                raise AnswerError(["missing"], text)
        return [space[name] for name in names]


def raised(error):
    """Kinds and message for an exception in a student's code."""
    where, text = line_of(error), str(error)[:500]
    match error:
        case NotImplementedError():
            return ("not_written",), f"Not written yet. Hint: {HINTS['not_written']}"
        case MemoryError():
            return ("memory",), f"Out of memory{where}: {text or 'a list without end?'}"
        case SystemExit():
            return ("exited",), f"The program was ended{where}: return a result instead."
        case OSError(errno=errno.EFBIG):
            return ("output",), f"Too much is printed, or written to a file{where}."
        case ImportError():
            return ("import",), f"An import failed{where}: {text}."
    return ("exception",), f"{type(error).__name__}{where}: {text}"


def items_of(module):
    """The decorator `item(points=...)` for the tests of one assignment."""

    def item(*, points):
        def decorate(test):
            def run(space=None):
                kinds, message = run.item.outcome(space)
                if message and "pytest" in sys.modules:
                    sys.modules["pytest"].fail(message, pytrace=False)
                if message:
                    raise AnswerError(kinds, message)

            run.item = Item(test, module, points)
            run.__name__, run.__doc__ = test.__name__, test.__doc__
            return run

        return decorate

    return item


# The student's file


def load(module):
    """The names that a student's file defines; raises AnswerError where it cannot be read."""
    path = Path(f"{module}.py")
    if not path.is_file():
        raise AnswerError(["missing"], f"There is no file {path}.")
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        where = f"{path}, line {getattr(error, 'lineno', None) or '?'}"
        raise AnswerError(["syntax"], f"{where}: {getattr(error, 'msg', error)}.") from None
    names = {"__name__": module, "__file__": str(path)}
    tree = ast.fix_missing_locations(OnlyAllowedImports().visit(tree))
    exec(compile(tree, str(path), "exec"), names)
    return names


class OnlyAllowedImports(ast.NodeTransformer):
    """Puts an error in the place of every other import, where it was."""

    def visit_Import(self, node):
        return self._checked(node, [alias.name for alias in node.names])

    def visit_ImportFrom(self, node):
        return self._checked(node, [node.module or "."])

    def _checked(self, node, names):
        refused = [name for name in names if name.partition(".")[0] not in ALLOWED]
        if not refused:
            return node
        text = f"{refused[0]}: only numpy, math and the files of the assignments may be imported"
        return ast.copy_location(ast.parse(f"raise ImportError({text!r})").body[0], node)


def line_of(error):
    """Where in a student's file an error was raised, in words; empty if elsewhere."""
    files = {f"{name}.py" for name in ASSIGNMENTS}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).name in files:
            return f" at {Path(frame.filename).name}, line {frame.lineno}"
    return ""
