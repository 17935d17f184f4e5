"""Logins at the login page, in the races of ``tests/live``."""

import httpx2

from tests.support.flow import Page
from tests.support.races import Person, Race


class BrowserLogins:
    """Logins at the login page."""

    def __init__(self, race: Race, person: Person) -> None:
        self._race, self._person = race, person

    async def log_in(self, url: str) -> httpx2.Response:
        shown = await self._race.http.get(f"{url}/login", headers={"Cookie": "none=none"})
        cookie = f"latchkey_browser={shown.cookies['latchkey_browser']}"
        return await self._race.http.post(
            f"{url}/login",
            data=Page(shown).forms[0].fields | self._person.old_login,
            headers={"Cookie": cookie},
        )

    async def is_good(self, answer: httpx2.Response) -> bool:
        """Whether the session of that answer goes on; one that was refused has none."""
        if answer.status_code != 303:
            return False
        cookie = f"latchkey_session={answer.cookies['latchkey_session']}"
        account = f"{self._race.urls[0]}/account"
        return (await self._race.http.get(account, headers={"Cookie": cookie})).status_code == 200
