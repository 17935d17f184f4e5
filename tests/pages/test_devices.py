"""Devices, in words."""

import pytest

from app.pages.devices import describe_device

ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
TABLET = "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
CHROMEBOOK = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox on Linux",
        ),
        (f"{WINDOWS} Chrome/130.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "Edge on Windows"),
        (f"{LINUX} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera on Linux"),
        (f"{LINUX} Chrome/130.0.0.0 Safari/537.36 Vivaldi/7.0", "Vivaldi on Linux"),
        (f"{LINUX} HeadlessChrome/130.0.0.0 Safari/537.36", "Chrome on Linux"),
        (f"{CHROMEBOOK} Chrome/130.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        (f"{ANDROID} Chrome/130.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (
            f"{ANDROID} SamsungBrowser/26.0 Chrome/122.0",
            "Samsung Internet on Android",
        ),
        (f"{MAC}/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari on macOS"),
        (f"{PHONE} Version/18.0 Mobile/15E148 Safari/604.1", "Safari on an iPhone"),
        (f"{PHONE} CriOS/130.0 Mobile/15E148 Safari/604.1", "Chrome on an iPhone"),
        (f"{TABLET} FxiOS/131.0 Mobile/15E148 Safari/605.1.15", "Firefox on an iPad"),
        ("python-requests/2.32.3", "python-requests"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0", "Unknown device"),
        ("Mozilla/5.0 (Windows NT 10.0)", "Unknown device on Windows"),
        ("<script>alert(1)</script>", "Unknown device"),
        ("x" * 255, "Unknown device"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_device_is_described_in_words(user_agent: str | None, words: str) -> None:
    assert describe_device(user_agent) == words
