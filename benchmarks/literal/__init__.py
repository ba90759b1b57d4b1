"""The yardstick of the speed benchmarks: SAC and BRO written the way the papers' trainers are."""
