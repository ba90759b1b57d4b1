"""DMC tasks inside jit: MuJoCo Playground on MJX (Zakka et al. 2025, arXiv:2502.08844).

`jax_env` gives a task as pure functions for one environment, to vmap and scan; `MJXVectorEnv` puts
the same task behind `vs_envs.VectorEnv`. Playground is loaded with its ``jax`` implementation and
without the network.

**These are Playground's versions of the tasks, not dm_control's**: do not mix their curves. The
same are observation and action sizes, reward formulas, and episodes of 1000 control steps with the
same control time step, no action repeat, always ended by the time limit. What differs (Playground
0.2.0 on MuJoCo 3.12.0, against dm_control 1.0.45):

- Integration: semi-implicit Euler with explicit joint damping and 1 to 4 solver iterations, in
  finger ``implicitfast``. dm_control has RK4 in acrobot and cartpole, implicit damping elsewhere,
  100 iterations or more. Physics steps are 10 ms instead of 20 in pendulum, 5 instead of 10 in finger,
  2 instead of 4 in fish, 3 instead of 2 in swimmer. Contacts are capped in number; the torso of the
  fish has another shape. From one start, one random action leads to joint speeds that differ by
  1e-5 (cartpole), 2e-4 (point_mass), 4e-4 (acrobot), 1e-3 (hopper), 2e-3 (pendulum), 6e-3
  (swimmer), 0.03 (ball_in_cup), 0.06 (finger), 0.1 (walker), 0.2 (fish), 0.8 (cheetah) and 1.6
  (humanoid).
- Time: what is computed from positions and velocities (orientations, distances, sensors, and
  rewards with them) describes the *start* of the last physics step, joint positions and velocities
  its end. In cartpole the pole's angle is so one control step older than the cart's position.
  dm_control observes everything at the end.
- Order: fish observes its uprightness before its joints, pendulum its sine before its cosine. All
  others have dm_control's order.
- Walker observes its torso's uprightness twice, instead of its height.
- Targets: the first observation of fish, finger-turn and swimmer shows the target where the model
  file has it, not where the episode has it.
- Starts: humanoid and ball_in_cup always start alike; pendulum starts in one half of the circle;
  finger may start in contact.

On NVIDIA GPUs from Ampere on, Playground's README advises ``JAX_DEFAULT_MATMUL_PRECISION=highest``.
"""

# _mjx_env stays the first import: it says what to install where JAX or Playground is missing
from vs_envs._mjx_env import PLAYGROUND, EnvState, JaxEnv, jax_env
from vs_envs._mjx_vector import MJXVectorEnv

__all__ = ["PLAYGROUND", "EnvState", "JaxEnv", "MJXVectorEnv", "jax_env"]
