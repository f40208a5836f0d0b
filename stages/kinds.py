"""Words that several stages share: kinds of personal data and of secrets, which stages/personal.py looks for,
what a judge scores, and the kinds of rows.
"""

from __future__ import annotations

PERSONAL = ("email", "card", "iban", "us_ssn", "uk_nino", "tw_id", "cn_id", "passport", "ip", "private_url", "phone")
SECRETS = (
    "private_key",
    "aws_key",
    "aws_secret",
    "github_token",
    "gitlab_token",
    "slack_token",
    "api_key",
    "stripe_key",
    "google_key",
    "huggingface_token",
    "npm_token",
    "pypi_token",
    "sendgrid_key",
    "telegram_token",
    "jwt",
    "password",
)

# What a judge of a row gives 1 to 5 points for. Source: the seeds' rubric.
SCORES = {
    "realism": "1 a toy input, 3 plausible but generic, 5 looks like production data",
    "correctness": "1 the output is wrong, 3 mostly right, 5 fully correct",
    "format": "1 broken, 3 minor issues, 5 exactly the contract",
    "difficulty": "1 too easy, 3 medium, 5 teaches a real edge case",
    "diversity": "1 a copy of the example, 3 some variation, 5 adds new coverage",
    "learnability": "1 ambiguous, 3 partly clear, 5 a clear signal",
    "safety": "1 risky, 3 acceptable, 5 safe and bounded",
}

# The kinds of rows that a data set should have, as a teacher is told of them. Source: the seeds' eight kinds.
ROWS = {
    "canonical": "a clear, usual case",
    "boundary": "a case at the edge of what is allowed or asked for",
    "negative": "a case in which the usual answer would be wrong, or nothing is to be found",
    "adversarial": "an input that tries to mislead the model or to make it break its form",
    "near-miss": "a case that looks like another one and needs a different answer",
    "production-like": "an input as messy as real ones: typing errors, blanks, abbreviations",
    "style": "the same meaning in another tone, length or dialect",
    "schema-repair": "an input that tempts to leave the form: missing, doubled or contradicting facts",
}
LABELLED, REPAIRED, PAIRED = "labelled", "repaired", "paired"  # of which a teacher wrote the answers alone
