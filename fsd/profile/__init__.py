"""`fsd profile`: latency per tick and its tail, stages, operators, memory and energy, on this machine and modelled.

`scenarios/` runs the production pipeline and samples it, `stats/` works on numbers only, `operators/` reads ONNX
Runtime's profile, and `energy/` estimates other devices. The page and the terminal show the resulting summary.
"""
