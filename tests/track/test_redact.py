import pytest

from grpo.track.redact import REDACTED, environment_secrets, is_secret_name, redact, redact_text


@pytest.mark.parametrize(
    "name",
    ["api_key", "WANDB_API_KEY", "HF_TOKEN", "token", "dbPassword", "client-secret", "apikey", "aws.credentials"],
)
def test_secret_names(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokenizer", "keyboard", "model", "secretary"])
def test_harmless_names(name):
    assert not is_secret_name(name)


def test_config_keeps_numbers_and_loses_secrets():
    config = {
        "max_tokens": 48,
        "hub": {"token": "hf_abc", "urls": ["https://me:pw@host/x"]},
        "keys": ["a", "b"],
        "note": "uses sesame-open-1 here",
        "key_value_heads": 2,
        "api_key": None,
    }
    assert redact(config, ("sesame-open-1",)) == {
        "max_tokens": 48,
        "hub": {"token": REDACTED, "urls": [f"https://{REDACTED}@host/x"]},
        "keys": [REDACTED, REDACTED],
        "note": f"uses {REDACTED} here",
        "key_value_heads": 2,
        "api_key": None,
    }


def test_environment_values_go_wherever_they_stand(monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "tok-1234567890")
    assert redact({"command": "curl -H tok-1234567890"}) == {"command": f"curl -H {REDACTED}"}


def test_longer_secrets_first_and_short_values_are_no_secrets():
    secrets = environment_secrets({"A_KEY": "abcdefgh", "B_KEY": "abcdefghij", "C_KEY": "yes", "HOME": "/home/someone"})
    assert secrets == ("abcdefghij", "abcdefgh")
    assert redact_text("abcdefghij yes", secrets) == f"{REDACTED} yes"
