"""What is said of a wrong answer: kinds of mistakes, and a hint for each."""

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
    "back, and where does that put W in the product?",
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
