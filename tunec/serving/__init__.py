"""A released model served: llama-cpp-python's OpenAI-compatible server behind a door that holds it to its contract.

served      what a release's folder says: the contract, the prompt, the limits
door        what is let in, what is let out, and who may ask
figures     what /metrics counts
server      the two put together, and run
"""
