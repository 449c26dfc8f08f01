"""What a user of the shell asks about the page in, its address with all that is needed to open it out.

For the shell only, which has shown that it is the daemon's own user: the token is in the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainmusic_daemon.service import web_address
from brainmusic_daemon.service.control import Answer

if TYPE_CHECKING:
    from brainmusic_daemon.service.web import Web

NEW = "new-token"  # the only argument


def page(web: Web, arguments: list[object]) -> Answer:
    """Return the address for this computer, and for a phone where one reaches it; with `NEW`, a new token before."""
    if arguments not in ([], [NEW]):
        return Answer(False, f"page: an argument is '{NEW}', or there is none", reason="type")
    settings = web.settings
    if not settings.enabled:
        return Answer(False, "the page is turned off: web.enabled = false", reason="refused")
    if arguments and (why := web.renew()):
        return Answer(False, why, reason="refused")
    if not web.here:
        taken = (
            f"the page cannot listen at {settings.host}:{settings.port}, which is tried again: is it another program's?"
        )
        return Answer(False, f"{taken} Another port: --set web.port=…", reason="failed")
    here = web_address.with_token(web.here, web.token)
    if not settings.beyond_loopback:
        return Answer(True, here, {"here": here, "elsewhere": ""})
    elsewhere = web_address.with_token(web.url, web.token)
    return Answer(True, f"{here}; on a phone: {elsewhere}", {"here": here, "elsewhere": elsewhere})
