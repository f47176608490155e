"""User data: what cloud-init is given at first boot, ours beside what the Imager or a person wrote.

cloud-init takes one document, or several in a MIME archive, and goes by the first line of a
document or by its type in the archive (cloud-init's documentation, "User data formats").
"""

import email
import email.message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from device.flash.tools import FlashError

BOUNDARY = "latentlink-part"
MARK = "latentlink/begin.sh"
"In ours alone."
MERGE = "list(append)+dict(no_replace,recurse_list)+str()"
KINDS = {
    "#cloud-config-archive": "cloud-config-archive",
    "#cloud-config-jsonp": "cloud-config-jsonp",
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
    "#include-once": "x-include-once-url",
    "#include": "x-include-url",
    "#part-handler": "part-handler",
    "## template: jinja": "jinja2",
    "#!": "x-shellscript",
}
"First words of a document, the longer ones first: its type, text/…"
ARCHIVE = ("content-type:", "mime-version:")


def merged(old: str, ours: str) -> str:
    """Ours, and before it what was there: a MIME archive, of which cloud-init takes one part after
    the other.

    Ours of an earlier flashing is known by MARK. FlashError where cloud-init itself could not tell
    what the old one is.
    """
    kept = [part for part in _parts(old) if MARK not in _text(part)]
    if not kept:
        return ours
    archive = MIMEMultipart(boundary=BOUNDARY)
    for part in kept:
        archive.attach(part)
    archive.attach(_part(ours, "cloud-config", MERGE))
    return archive.as_string()


def says_something(yaml: str) -> bool:
    """Whether there is more in it than comments."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in yaml.splitlines())


def _parts(old: str) -> list[email.message.Message]:
    """The documents in a user-data file that say something."""
    first = old.lstrip().partition("\n")[0].strip()
    if first.lower().startswith(ARCHIVE):
        message = email.message_from_string(old.lstrip())
        parts = [part for part in message.walk() if not part.is_multipart()]
        if message.defects or not message.is_multipart():
            raise FlashError(
                f"the card's user-data is a damaged MIME archive ({message.defects}); write it anew"
            )
        return parts
    kind = next((kind for words, kind in KINDS.items() if first.startswith(words)), None)
    if kind != "x-shellscript" and not says_something(old):
        return []
    if kind is None:
        raise FlashError(
            f"the card's user-data begins with {first[:40]!r}, which cloud-init does not know; let "
            "it begin with #cloud-config, or write the card's system anew"
        )
    return [_part(old, kind)]


def _part(text: str, kind: str, merge: str = "") -> email.message.Message:
    part = MIMEText(text, kind, "utf-8")
    part.replace_header("Content-Transfer-Encoding", "8bit")
    part.set_payload(text)
    if merge:
        part["Merge-Type"] = merge
    return part


def _text(part: email.message.Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
