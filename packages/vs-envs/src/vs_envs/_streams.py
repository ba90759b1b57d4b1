"""Random streams as arrays of 64-bit words, to be stored without pickle."""

import numpy as np

_LOW = 2**64 - 1


def legacy_words(stream: np.random.RandomState) -> np.ndarray:
    """Return the state of a Mersenne twister, ``(627,)`` uint64."""
    state = stream.get_state(legacy=False)
    gauss = np.array([state["gauss"]], np.float64).view(np.uint64)
    key = state["state"]["key"].astype(np.uint64)
    rest = np.array([state["state"]["pos"], state["has_gauss"]], np.uint64)
    return np.concatenate([key, rest, gauss])


def set_legacy(stream: np.random.RandomState, words: np.ndarray) -> None:
    """Set a Mersenne twister to what `legacy_words` returned."""
    stream.set_state(
        {
            "bit_generator": "MT19937",
            "state": {"key": words[:624].astype(np.uint32), "pos": int(words[624])},
            "has_gauss": int(words[625]),
            "gauss": float(words[626:].view(np.float64)[0]),
        }
    )


def words(stream: np.random.Generator) -> np.ndarray:
    """Return the state of a PCG64, ``(6,)`` uint64."""
    state = stream.bit_generator.state
    inner = state["state"]
    halves = [half for part in (inner["state"], inner["inc"]) for half in (part >> 64, part & _LOW)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], np.uint64)


def generator(words: np.ndarray) -> np.random.Generator:
    """Return a PCG64 stream in the state that `words` returned."""
    state, inc = ((int(words[i]) << 64) | int(words[i + 1]) for i in (0, 2))
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": inc},
        "has_uint32": int(words[4]),
        "uinteger": int(words[5]),
    }
    return np.random.Generator(bits)
