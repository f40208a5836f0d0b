"""Several tasks in one model: a column says which, the template words each, and the contract is one of several."""

from __future__ import annotations

from stages import templating
from stages.contract import Contract
from tests.compiling import compiled, params
from tests.data.building import jsonl, read

INTENTS, BOOKINGS = "data/raw/intents.jsonl", "data/raw/bookings.jsonl"
TASK = f"""\
task_name: front-desk
task_type: structured
input_template: |-
  {{% if task == "intent" %}}Sort this message:{{% else %}}Read this booking:{{% endif %}} {{{{ text }}}}
output_format:
  type: json
  schema:
    oneOf:
      - {{properties: {{intent: {{enum: [shipping, refund]}}}}, required: [intent], additionalProperties: false}}
      - {{properties: {{people: {{type: string}}}}, required: [people], additionalProperties: false}}
data:
  sources:
    - {{path: {INTENTS}, tags: [intent], weight: 0.5}}
    - {{path: {BOOKINGS}, tags: [booking]}}
training: {{base_model: smollm2-135m}}
evaluation: {{slices: [tags]}}
success_criteria: {{threshold: 0.7}}
"""
ROWS = {
    INTENTS: [
        {"task": "intent", "text": "where is my parcel", "output": {"intent": "shipping"}},
        {"task": "intent", "text": "give me my money back", "output": {"intent": "refund"}},
        {"task": "intent", "text": "two wishes at once", "output": {"intent": "refund", "people": "2"}},
    ],
    BOOKINGS: [
        {"task": "booking", "text": "a table for four", "output": {"people": "4"}},
        {"task": "booking", "text": "a table for all of us", "output": {"people": 4}},
    ],
}


def test_rows_of_each_task_are_held_against_one_of_the_forms_and_carry_their_tag_and_weight() -> None:
    found = read({file: jsonl(rows) for file, rows in ROWS.items()}, TASK)
    told = {row["input"]["text"]: (row["tags"], row.get("weight")) for row in found.rows}
    assert told == {
        "where is my parcel": (["intent"], 0.5),
        "give me my money back": (["intent"], 0.5),
        "a table for four": (["booking"], None),
    }
    assert {(one["file"], one["line"], one["gate"]) for one in found.rejected} == {
        (INTENTS, 3, "contract"),
        (BOOKINGS, 2, "contract"),
    }


def test_each_task_is_asked_in_its_own_words_and_one_grammar_holds_both_forms() -> None:
    found = params(compiled(TASK, INTENTS, BOOKINGS), "data")["making"]
    contract = Contract(**found["contract"])
    asked = [templating.render(found["input_template"], row) for rows in ROWS.values() for row in rows]
    assert asked[0] == "Sort this message: where is my parcel" and asked[3] == "Read this booking: a table for four"
    grammar = str(contract.grammar())
    assert all(word in grammar for word in ("shipping", "refund", "people", "intent"))
    assert contract.valid('{"people": "4"}') and not contract.valid('{"people": "4", "intent": "refund"}')
    assert params(compiled(TASK, INTENTS, BOOKINGS), "score")["slices"] == ["tags"]
