"""A person at a browser: cookies, forms with their hidden fields, redirects that can be looked at."""

import html
import re
import urllib.parse

import wire

FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.S)
FIELD = re.compile(r"<(?:input|button|textarea)\b([^>]*)>")
ATTRIBUTE = re.compile(r'([a-z_-]+)(?:="([^"]*)")?')


def attributes(text: str) -> dict:
    return {name: html.unescape(value) for name, value in ATTRIBUTE.findall(text)}


class Browser:
    """Follows redirects on the hub only; whatever leads away is returned as it is."""

    def __init__(self, hub):
        self.hub = hub
        self.cookies = {}

    def send(self, method: str, path: str, follow: bool = True, **kwargs) -> wire.Response:
        for _ in range(10):
            url = path if path.startswith("http") else self.hub.url + path
            headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "Accept-Language": "en"}
            answer = wire.request(method, url, headers=headers | kwargs.pop("headers", {}), **kwargs)
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                pair, _, rest = cookie.partition(";")
                name, _, value = pair.partition("=")
                if "Max-Age=0" in rest:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value
            location = answer.header("Location")
            if answer.status not in (302, 303) or not follow:
                return answer
            if not location.startswith(("/", self.hub.url)):
                return answer
            method, path, kwargs = "GET", location, {}
        raise AssertionError(f"redirected in circles at {path}")

    def get(self, path: str, **kwargs) -> wire.Response:
        return self.send("GET", path, **kwargs)

    def forms(self, page: wire.Response) -> dict[str, dict]:
        """Hidden and prefilled fields of each form of a page, by where it leads; the last of several wins."""
        found = {}
        for head, body in FORM.findall(page.text):
            action = attributes(head).get("action", "")
            fields = [attributes(f) for f in FIELD.findall(body)]
            found[action] = {f["name"]: f.get("value", "") for f in fields if "name" in f and f.get("type") not in ("radio", "checkbox", None)}
        return found

    def submit(self, page: wire.Response, action: str, follow: bool = True, **fields) -> wire.Response:
        forms = self.forms(page)
        assert action in forms, f"no form leads to {action}: {sorted(forms)}\n{page}"
        return self.send("POST", action, follow, form=forms[action] | fields)

    def sign_in(self, name: str, password: str) -> "Browser":
        page = self.submit(self.get("/login"), "/login", name=name, password=password)
        assert page.status == 200, page
        return self


def person(hub, name: str) -> Browser:
    """Somebody of the hub's people, signed in; their password is made anew."""
    return Browser(hub).sign_in(name, hub.admin("user", "password", name))


def query(address: str) -> dict:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query, keep_blank_values=True))
