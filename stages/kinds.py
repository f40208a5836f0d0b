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
