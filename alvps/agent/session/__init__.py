"""A session of a language model inside an agent's container: think, call a tool, read its result, until all is done.

It runs in the image's own virtual environment (/app/llm) as a child of the entry, and is the only code of alvps that
imports pydantic-ai and the providers' packages; nothing else imports this package.
"""
