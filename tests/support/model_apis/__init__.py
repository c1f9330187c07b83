"""The public HTTP interfaces of language models: what a request must look like, how an answer is written.

Each module has `NAME`, `accepts(path)`, `problems(path, headers, body)`, `answer(step, body)`, `events(step, body)` and
`refusal(step)`. The shapes are written from the providers' API references; nothing here was recorded from a model.
"""
