"""The kinds of personal data and of secrets that are looked for, by name. How, stands in stages/personal.py."""

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
