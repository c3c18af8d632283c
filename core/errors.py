"""The two ways a run can end early that are not a fault of ours."""


class InputError(Exception):
    """Bad input: the message is one sentence for the user (what, where, what to do). Exit code 2."""


class Cancelled(Exception):
    """The user asked to stop. What was finished before stays on disk."""
