"""laws.json of versions 1 and 2, written by the programs that made them, answers as it did there."""

from pathlib import Path

import numpy as np
import pytest
from vs_analyze import Question, read_laws, recommend

LAWS = Path(__file__).parent / "laws"
# value, low and high of the recommendation at level 400, by the program that wrote the file
EXPECTED = {
    1: {
        "utd": (1.518767254481278, 1.4956130212237446, 1.5176667430509445),
        "data": (33542.852409031286, 33378.765928021945, 33562.90425308745),
        "compute": (97437005975212.45, 96960359110610.86, 97495253604999.25),
        "budget": (432865530065525.3, 430748018390830.3, 433124296135873.75),
        "batch_size": (191.26377109383984, 191.26377109383984, 191.26377109383984),
    },
    2: {
        "utd": (15.189443992057422, 15.08849164249936, 15.189443992057422),
        "data": (53517.53103050009, 53517.53103050009, 53568.46104685266),
        "compute": (119089299016423.36, 119089299016423.36, 119202630476779.14),
        "budget": (1189439919626425.0, 1189439919626425.0, 1190571851413832.2),
        "batch_size": (55.15872867578176, np.nan, np.nan),
    },
}


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_older_versions_answer_as_they_did(version):
    (task,) = read_laws(LAWS / f"version_{version}.json").values()
    answer = recommend(task, Question(level=400.0))
    for name, expected in EXPECTED[version].items():
        found = getattr(answer, name)
        assert [found.value, found.low, found.high] == pytest.approx(
            expected, rel=1e-6, nan_ok=True
        ), name
