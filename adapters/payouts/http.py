"""Payouts over HTTP: `PUT {url}/{refund_id}` with the instruction as JSON, which HTTP makes idempotent.

The provider answers 2xx once it has the instruction, now or since an earlier request, with a JSON object whose
`reference` is its own name for it, if it likes. Answers that are about this instruction refuse it for good; those
that are about the request (a wrong token, a wrong address, too many) do not. No answer leaves it unknown.
"""

from time import monotonic
from types import TracebackType
from typing import Any

import httpx
import msgspec

from ledger.encrypted import plain
from ledger.errors import Rejected
from schedulers.refund_payouts import HandedOver, Instruction, NotHandedOver, Outcome, Refused

PROVIDER = "http"
TIMEOUTS = httpx.Timeout(15, connect=5)
ANSWER_WITHIN_SECONDS = 25.0
LONGEST_ANSWER_BYTES = 64 * 1024

NOT_TAKEN = frozenset({401, 403, 404, 405, 407, 421, 425, 426, 429})
"""Answers to a request that did not get as far as the instruction: it can be sent again, and was not taken."""
UNCLEAR = frozenset({408, 409})
"""Answers in the range of refusals that do not tell what became of the instruction."""


class HttpPayout:
    """A provider of payouts. Close it after use."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        headers = {"Content-Type": "application/json", "User-Agent": "duebook"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # The address is the setting's and no other: no proxies or passwords from the environment, no redirects. A
        # connection is used once: one that the provider has closed meanwhile would leave an instruction unknown.
        self._client = httpx.Client(
            headers=headers,
            timeout=TIMEOUTS,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> "HttpPayout":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def hand_over(self, instruction: Instruction) -> Outcome:
        content = msgspec.json.encode(instruction)
        try:
            with self._client.stream(
                "PUT", f"{self._url}/{instruction.refund_id}", content=content
            ) as answer:
                return _outcome(answer.status_code, _body(answer))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return NotHandedOver("the provider could not be reached", unknown=False)
        except httpx.TimeoutException:
            return NotHandedOver("the provider did not answer in time", unknown=True)
        except httpx.HTTPError:
            return NotHandedOver("the connection was lost before the answer", unknown=True)


def _outcome(status: int, body: dict[str, Any]) -> Outcome:
    if 200 <= status < 300:
        return HandedOver(PROVIDER, _reference(body))
    if status in NOT_TAKEN:
        return NotHandedOver(f"the provider answered {status}", unknown=False)
    if 400 <= status < 500 and status not in UNCLEAR:
        said = next((body[name] for name in ("detail", "title", "reason") if body.get(name)), "")
        return Refused(f"the provider answered {status} {str(said)[:500]}".strip())
    return NotHandedOver(f"the provider answered {status}", unknown=True)


def _body(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object in an answer; an empty one where there is none. The status has said what matters."""
    deadline = monotonic() + ANSWER_WITHIN_SECONDS
    parts: list[bytes] = []
    try:
        for part in answer.iter_bytes():
            parts.append(part)
            if sum(map(len, parts)) > LONGEST_ANSWER_BYTES or monotonic() > deadline:
                return {}
        return msgspec.json.decode(b"".join(parts), type=dict[str, Any])
    except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _reference(body: dict[str, Any]) -> str:
    """The provider's reference, if it is one that can be kept in the clear."""
    reference = body.get("reference")
    if not isinstance(reference, str):
        return ""
    try:
        return plain(reference.strip(), "reference")
    except Rejected:
        return ""
