"""A release's signature: model.sig in its folder, made and checked by model-signing with a key of your own.

It is over every other file of the folder, release.json included, so `model_signing verify key` of anybody who has the
public key checks it without tunec. The public key stands in release.json: with it alone, the signature shows that one
hand made the whole folder; whose hand that was, only a key that you hold shows (`tunec verify --key`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stages.diagnostics import Diagnostic, UserError, fail

NAME = "model.sig"
PASSWORD = "TUNEC_KEY_PASSWORD"  # noqa: S105 - the name of a variable
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_MAKE = "`openssl ecparam -genkey -name prime256v1 -noout -out release.key` makes one"


def public(key: Path) -> str:
    """The public half, in PEM, of a private key. Raises T563 when it is none, T564 without model-signing."""
    from cryptography.hazmat.primitives import serialization

    _require_library()
    loaded = _private(key)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(loaded.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def sign(files: Mapping[str, tuple[Path | bytes, str]], name: str, key: Path, aside: Path) -> bytes:
    """The signature over a release's folder. aside: where a folder of links to its files may be made for a while."""
    from model_signing import hashing, signing

    with tempfile.TemporaryDirectory(dir=aside, prefix="tunec-brought.") as place:
        folder, signature = Path(place, name), Path(place, NAME)
        folder.mkdir()
        for file, (source, _) in files.items():
            _put(folder / file, source)
        config = signing.Config().use_elliptic_key_signer(private_key=key, password=_password())
        config.set_hashing_config(_hashing(hashing)).sign(folder, signature)
        return signature.read_bytes()


def look(folder: Path, whole: Mapping[str, Any] | None, trusted: Path | None) -> Iterator[Diagnostic]:
    """What is wrong with the signature of a folder. whole: its manifest, None for a package that has none.

    trusted: the public key that it must be signed with; None: the one that release.json names. Raises T563 when
    `trusted` is no key, T564 where one is given and model-signing is not installed.
    """
    signed = (whole or {}).get("signature")
    if signed is None:
        if trusted:
            help = "sign the next one: `tunec release --sign PRIVATE.key`"
            yield Diagnostic("T566", f"{folder.as_posix()} is not signed", help=help)
        return
    key = _public(trusted) if trusted else str(signed["public_key"])
    if trusted and fingerprint(key) != signed["key"]:
        note = f"it names the key {signed['key'][:16]}, you gave {fingerprint(key)[:16]}"
        yield Diagnostic(
            "T566", f"{folder.as_posix()} is signed with another key", notes=(note,), help="trust only a key you know"
        )
        return
    try:
        _require_library()
    except UserError as missing:
        if trusted:
            raise
        yield Diagnostic("T564", "the signature was not checked", help=missing.diagnostics[0].help, severity="warning")
        return
    if why := _broken(folder, key):
        help = "`tunec release get NAME` brings the folder as it was signed; an added file breaks a signature too"
        yield Diagnostic("T565", f"the signature of {folder.as_posix()} does not fit: {why}", help=help)


def fingerprint(public_key: str) -> str:
    """SHA-256 of a public key in PEM, as the signature itself names it."""
    return hashlib.sha256(public_key.encode()).hexdigest()


def _broken(folder: Path, public_key: str) -> str | None:
    from model_signing import hashing, verifying

    if not (folder / NAME).is_file():
        return f"{NAME} is missing"
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(public_key)
        pem.flush()
        try:
            config = verifying.Config().use_elliptic_key_verifier(public_key=pem.name)
            config.set_hashing_config(_hashing(hashing)).verify(folder, folder / NAME)
        except Exception as error:  # whatever a forged bundle makes its readers raise, it does not fit
            return " ".join(str(error).split())[:300] or type(error).__name__
    return None


def _hashing(hashing: Any) -> Any:
    """Every file of the folder but the signature itself; its path counts from the folder."""
    return hashing.Config().set_ignored_paths(paths=[NAME], ignore_git_paths=False)


def _put(target: Path, source: Path | bytes) -> None:
    """A link where both are on one disk: only a hash is taken of it."""
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        target.write_bytes(source)
        return
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _private(key: Path) -> Any:
    """Raises T563 with what is wrong; nothing of the key is ever printed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    held, password = _read(key), _password()
    try:
        loaded = load_pem_private_key(held, password)
    except TypeError:  # encrypted and no password, or the other way round
        help = f"put its password into the environment variable {PASSWORD}, or take it out where the key has none"
        raise fail("T563", f"the key {key.name!a} does not open", help=help) from None
    except (ValueError, UnsupportedAlgorithm):
        if password and b"ENCRYPTED" in held:
            help = f"put the password of this key into the environment variable {PASSWORD}"
            raise fail("T563", f"the key {key.name!a} does not open with that password", help=help) from None
        raise fail("T563", f"{key.name!a} holds no private key that can be read", help=_MAKE) from None
    if not isinstance(loaded, EllipticCurvePrivateKey) or loaded.curve.name not in _CURVES:
        raise fail("T563", f"{key.name!a} is no key on the curves {', '.join(_CURVES)}", help=_MAKE)
    return loaded


def _public(key: Path) -> str:
    from cryptography.hazmat.primitives import serialization

    held = _read(key)
    try:
        loaded = serialization.load_pem_public_key(held)
    except Exception:
        help = "`openssl ec -in release.key -pubout -out release.pub` writes the public half of a private key"
        raise fail("T563", f"{key.name!a} holds no public key that can be read", help=help) from None
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return loaded.public_bytes(serialization.Encoding.PEM, form).decode()


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise fail("T563", f"the key file {str(key)!a} cannot be read: {why}", help=f"name one; {_MAKE}") from None


def _password() -> Any:
    """bytes, which is what is asked for below model-signing, whatever its own types say."""
    said = os.environ.get(PASSWORD)
    return said.encode() if said else None


def _require_library() -> None:
    try:
        import model_signing.signing
        import model_signing.verifying  # noqa: F401
    except ImportError as error:
        help = "pip install 'tunec[signing]'"
        raise fail("T564", f"model-signing is not installed, or not whole: {error}", help=help) from None
