"""Whose a file is: what is run when it is read must come from the user alone."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def require_ours(folder: Path, pattern: str) -> None:
    """Raise PermissionError if others may have written a folder or files in it.

    The others are all but this user, root and the owner of the package, who could change its code.
    The folder above matters too: who may rename the folder can put another one in its place.

    Parameters
    ----------
    folder : path
    pattern : str
        Of the names of the files.

    Raises
    ------
    PermissionError
        Which names the first such path.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> require_ours(folder, "*.code")
    >>> folder.chmod(0o777)
    >>> require_ours(folder, "*.code")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    PermissionError: others may write to /tmp/...
    """
    if os.name != "posix":  # where users' folders have lists of rights
        return
    trusted = 0, os.geteuid(), Path(__file__).stat().st_uid
    for path in (folder.parent, folder, *folder.glob(pattern)):
        status = path.stat()
        shared = stat.S_IWOTH | (0 if _is_private(status.st_gid) else stat.S_IWGRP)
        others = status.st_mode & shared or status.st_uid not in trusted
        # In a sticky folder, such as that of temporary files, only an owner may rename.
        if others and not (path == folder.parent and status.st_mode & stat.S_ISVTX):
            raise PermissionError(f"others may write to {path}")


def _is_private(group: int) -> bool:
    """Whether a group is this user's alone: many systems create one for each, but root."""
    import grp
    import pwd

    with suppress(KeyError):  # users and groups without a name
        name, found = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
        return os.geteuid() != 0 and found.gr_name == name and set(found.gr_mem) <= {name}
    return False
