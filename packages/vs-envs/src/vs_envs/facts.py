"""Sizes, lengths and returns of every task, written down so that no simulator need be built."""

from typing import NamedTuple

_BALANCE = (1, {"position": 3, "velocity": 2})
_HOPPER = (4, {"position": 6, "velocity": 7, "touch": 2})
_DOG = {
    "joint_angles": 73,
    "joint_velocites": 73,  # sic
    "torso_pelvis_height": 2,
    "z_projection": 9,
    "torso_com_velocity": 3,
    "inertial_sensors": 9,
    "foot_forces": 12,
    "touch_sensors": 4,
    "actuator_state": 38,
}
_QUADRUPED = {
    "egocentric_state": 44,
    "torso_velocity": 3,
    "torso_upright": 1,
    "imu": 6,
    "force_torque": 24,
}
_TURN = {"position": 4, "velocity": 3, "touch": 2, "target_position": 2, "dist_to_target": 1}
_UPPER_BODY = {"head_height": 1, "extremities": 12, "torso_vertical": 3, "com_velocity": 3}
_HUMANOID = (21, {"joint_angles": 21, **_UPPER_BODY, "velocity": 27})
_CMU = (56, {"joint_angles": 56, **_UPPER_BODY, "velocity": 62})
_ARM = {"arm_pos": 16, "arm_vel": 8, "touch": 5, "hand_pos": 4}
_MANIPULATOR = (5, {**_ARM, "object_pos": 4, "object_vel": 3, "target_pos": 4})
_REACHER = (2, {"position": 2, "to_target": 2, "velocity": 2})
_WALKER = (6, {"orientations": 14, "height": 1, "velocity": 9})

DMC: dict[str, tuple[int, dict[str, int]]] = {
    "acrobot-swingup": (1, {"orientations": 4, "velocity": 2}),
    "acrobot-swingup_sparse": (1, {"orientations": 4, "velocity": 2}),
    "ball_in_cup-catch": (2, {"position": 4, "velocity": 4}),
    "cartpole-balance": _BALANCE,
    "cartpole-balance_sparse": _BALANCE,
    "cartpole-swingup": _BALANCE,
    "cartpole-swingup_sparse": _BALANCE,
    "cartpole-two_poles": (1, {"position": 5, "velocity": 3}),
    "cartpole-three_poles": (1, {"position": 7, "velocity": 4}),
    "cheetah-run": (6, {"position": 8, "velocity": 9}),
    "dog-stand": (38, _DOG),
    "dog-walk": (38, _DOG),
    "dog-trot": (38, _DOG),
    "dog-run": (38, _DOG),
    "dog-fetch": (38, {**_DOG, "ball_state": 6, "target_position": 3}),
    "finger-spin": (2, {"position": 4, "velocity": 3, "touch": 2}),
    "finger-turn_easy": (2, _TURN),
    "finger-turn_hard": (2, _TURN),
    "fish-upright": (5, {"joint_angles": 7, "upright": 1, "velocity": 13}),
    "fish-swim": (5, {"joint_angles": 7, "upright": 1, "target": 3, "velocity": 13}),
    "hopper-stand": _HOPPER,
    "hopper-hop": _HOPPER,
    "humanoid-stand": _HUMANOID,
    "humanoid-walk": _HUMANOID,
    "humanoid-run": _HUMANOID,
    "humanoid-run_pure_state": (21, {"position": 28, "velocity": 27}),
    "humanoid_CMU-stand": _CMU,
    "humanoid_CMU-walk": _CMU,
    "humanoid_CMU-run": _CMU,
    "manipulator-bring_ball": _MANIPULATOR,
    "manipulator-bring_peg": _MANIPULATOR,
    "manipulator-insert_ball": _MANIPULATOR,
    "manipulator-insert_peg": _MANIPULATOR,
    "pendulum-swingup": (1, {"orientation": 2, "velocity": 1}),
    "point_mass-easy": (2, {"position": 2, "velocity": 2}),
    "point_mass-hard": (2, {"position": 2, "velocity": 2}),
    "quadruped-walk": (12, _QUADRUPED),
    "quadruped-run": (12, _QUADRUPED),
    "quadruped-escape": (12, {**_QUADRUPED, "origin": 3, "rangefinder": 20}),
    "quadruped-fetch": (12, {**_QUADRUPED, "ball_state": 9, "target_position": 3}),
    "reacher-easy": _REACHER,
    "reacher-hard": _REACHER,
    "stacker-stack_2": (5, {**_ARM, "box_pos": 8, "box_vel": 6, "target_pos": 2}),
    "stacker-stack_4": (5, {**_ARM, "box_pos": 16, "box_vel": 12, "target_pos": 2}),
    "swimmer-swimmer6": (5, {"joints": 5, "to_target": 2, "body_velocities": 18}),
    "swimmer-swimmer15": (14, {"joints": 14, "to_target": 2, "body_velocities": 45}),
    "walker-stand": _WALKER,
    "walker-walk": _WALKER,
    "walker-run": _WALKER,
}
"""dm_control's suite without lqr, which has no time limit: the length of an action, and the parts
of an observation in dm_control's own order. Every episode has 1000 control steps."""


class Facts(NamedTuple):
    """Facts of one task outside the suite."""

    observation_size: int
    action_size: int
    episode_steps: int
    optimal_return: float
    source: str


_PAPER = "arXiv:2502.04327, Table 1"
_PAPER_V4 = f"{_PAPER}, for v4: v5 pays contact costs and health a little differently"
_SOLVED = "reward_threshold that gymnasium registers: the return that counts as solved"
_ALIVE = "upper bound: 1 per step over 1000 steps"
_COSTS = "upper bound: rewards are costs, so that a ratio to it says nothing"

GYM = {
    "HalfCheetah-v4": Facts(17, 6, 1000, 8500.0, _PAPER),
    "HalfCheetah-v5": Facts(17, 6, 1000, 8500.0, _PAPER_V4),
    "Walker2d-v4": Facts(17, 6, 1000, 4500.0, _PAPER),
    "Walker2d-v5": Facts(17, 6, 1000, 4500.0, _PAPER_V4),
    "Ant-v4": Facts(27, 8, 1000, 6625.0, _PAPER),
    "Ant-v5": Facts(105, 8, 1000, 6625.0, _PAPER_V4),
    "Humanoid-v4": Facts(376, 17, 1000, 6125.0, _PAPER),
    "Humanoid-v5": Facts(348, 17, 1000, 6125.0, _PAPER_V4),
    "Hopper-v4": Facts(11, 3, 1000, 3800.0, _SOLVED),
    "Hopper-v5": Facts(11, 3, 1000, 3800.0, _SOLVED),
    "Swimmer-v4": Facts(8, 2, 1000, 360.0, _SOLVED),
    "Swimmer-v5": Facts(8, 2, 1000, 360.0, _SOLVED),
    "InvertedPendulum-v4": Facts(4, 1, 1000, 1000.0, _ALIVE),
    "InvertedPendulum-v5": Facts(4, 1, 1000, 1000.0, _ALIVE),
    "InvertedDoublePendulum-v4": Facts(11, 1, 1000, 9100.0, _SOLVED),
    "InvertedDoublePendulum-v5": Facts(9, 1, 1000, 9100.0, _SOLVED),
    "Reacher-v4": Facts(11, 2, 50, 0.0, _COSTS),
    "Reacher-v5": Facts(10, 2, 50, 0.0, _COSTS),
    "Pusher-v5": Facts(23, 7, 100, 0.0, _COSTS),
}
"""gymnasium's MuJoCo tasks. Pusher-v4 is left out: it needs mujoco < 3."""

_SUCCESS = "return that HumanoidBench (arXiv:2403.10506) counts as success"
_LEVELS = {
    "balance_hard": (77, 800.0),
    "balance_simple": (64, 800.0),
    "crawl": (51, 700.0),
    "hurdle": (51, 700.0),
    "maze": (51, 1200.0),
    "pole": (51, 700.0),
    "reach": (57, 12000.0),
    "run": (51, 700.0),
    "sit_hard": (64, 750.0),
    "sit_simple": (51, 750.0),
    "slide": (51, 700.0),
    "stair": (51, 700.0),
    "stand": (51, 800.0),
    "walk": (51, 700.0),
}

HBENCH = {
    f"h1-{name}-v0": Facts(observation, 19, 1000, level, _SUCCESS)
    for name, (observation, level) in _LEVELS.items()
}
"""HumanoidBench's locomotion tasks of the robot without hands."""
