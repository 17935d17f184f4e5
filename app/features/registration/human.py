"""Where a fork asks whether a person is at the other end: nothing is asked here.

Put the widget into ``human.html``, name its hosts in the policy of ``app/pages/rendering.py``, and
let :func:`is_human` ask its service.
"""

from app.audit.trail import Origin


async def is_human(_answer: str, _origin: Origin) -> bool:
    """Whether ``answer``, the field ``human`` of the form or the body, is that of a person."""
    return True
