"""A browser without a window to see the viewer's pages in: Debian's Chromium, driven by selenium."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Chromium's own does not run as root
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL on the processor
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def missing_programs() -> list[str]:
    """Those of the programs that are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def open_browser(downloads: Path, size: tuple[int, int] = (1000, 700)) -> Iterator[WebDriver]:
    """A browser that puts downloads into a folder; ``size`` is its window's width and height in pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which(PROGRAMS[0]))
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(shutil.which(PROGRAMS[1])))
        try:
            yield browser
        finally:
            browser.quit()


def text_on_page(browser: WebDriver, text: str) -> WebElement:
    """What shows exactly these words: a button, a tab."""
    return browser.find_element(By.XPATH, f"//*[normalize-space(text())='{text}']")


def save_picture(browser: WebDriver, path: Path) -> None:
    """Write what the page shows as a PNG, without the notice that the browser has no graphics card."""
    browser.execute_script("document.querySelectorAll('.mantine-Notification-root').forEach(n => n.remove())")
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
    path.write_bytes(base64.b64decode(shot["data"]))


def slider(browser: WebDriver, label: str) -> WebElement:
    """The thumb of the slider with that label; it takes keys."""
    name = browser.find_element(By.XPATH, f"//label[text()='{label}']").get_attribute("for")
    return browser.find_element(By.CSS_SELECTOR, f"[id='{name}'] [role='slider']")
