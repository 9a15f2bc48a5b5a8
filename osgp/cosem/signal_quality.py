"""Signal quality of a mobile network in class 47 (GSM diagnostic): the index of 3GPP TS 27.007."""

STRONGEST = 31
UNKNOWN = 99


def find_signal_quality(index: int) -> str:
    """Return the name of a signal quality. Raises ValueError for an undefined index.

    0 is ``MINUS_113_DBM_OR_LESS``, 1 ``MINUS_111_DBM``, 30 ``MINUS_53_DBM``, 31 ``MINUS_51_DBM_OR_GREATER``,
    99 ``NOT_KNOWN_OR_NOT_DETECTABLE``.
    """
    if index == UNKNOWN:
        return "NOT_KNOWN_OR_NOT_DETECTABLE"
    if not 0 <= index <= STRONGEST:
        raise ValueError(f"no signal quality has the index {index}")
    name = f"MINUS_{113 - 2 * index}_DBM"
    return name + {0: "_OR_LESS", STRONGEST: "_OR_GREATER"}.get(index, "")
