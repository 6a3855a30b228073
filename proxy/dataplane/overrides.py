"""Fields and parameters that name another path, host or method than the request does.

Frameworks obey them, or did, so that rules on path and method could be evaded: they are taken off
where a route or a client has any. X-Forwarded-* and Forwarded never pass at all (headers.py).
Not here, as no server is known to obey them: Base-Url, Http-Url, Uri, Url, X-Path; `method` in
the query is data to too many. A form's `_method` is in the body, which is not read.
"""

from __future__ import annotations

from typing import Final


_FIELDS: Final = frozenset(
    {
        # The path.
        *("x-rewrite-url", "x-rewrite-uri"),  # ISAPI_Rewrite, Symfony, Zend
        *("x-request-uri", "x-request-url", "request-uri", "x-override-url", "x-override-uri"),
        *("x-http-destinationurl", "x-proxy-url", "proxy-url"),
        *("x-waws-unencoded-url", "x-ms-original-url"),  # Azure
        *("x-replaced-path", "x-matched-path", "x-now-route-matches"),  # Traefik, Vercel
        *("script-name", "x-script-name", "path-info", "x-path-info"),  # gunicorn, WSGI
        "x-astro-path",  # GHSA-mr6q-rp88-fx84
        *("x-sendfile-type", "x-accel-mapping"),  # Rack::Sendfile (CVE-2025-61780)
        # The host.
        *("x-host", "x-http-host", "x-proxy-host", "proxy-host"),
        # The method.
        *("x-http-method", "x-method", "x-request-method", "x-rewrite-method"),  # OData
    }
)
_BEGINNINGS: Final = (
    "x-original-",  # -url of IIS and Symfony, -uri of ingress-nginx, -host, -path, -method
    "x-envoy-original-",
    "x-middleware-",  # Next.js skips its middleware for -subrequest (CVE-2025-29927)
    "x-invoke-",  # Next.js: -path, -query
)
_ENDS: Final = (
    *("method-override", "path-override", "host-override", "url-override", "uri-override"),
)
_HARMLESS: Final = frozenset({"x-middleware-prefetch"})
"""Sent by Next.js' own pages."""
_PARAMETERS: Final = frozenset(
    {
        "_method",  # Rails, Laravel, Symfony, Express, WordPress
        *("_httpmethod", "_http_method"),  # Salesforce
        *("http_method_override", "method_override", "_method_override"),
        *("x_http_method_override", "x_http_method", "x_method_override"),
        "x_astro_path",
    }
)


def is_override(name: str) -> bool:
    """Return whether a field (its name folded) names another path, host or method."""
    if name in _FIELDS:
        return True
    return name.endswith(_ENDS) or (name.startswith(_BEGINNINGS) and name not in _HARMLESS)


def is_override_parameter(name: str) -> bool:
    """Return whether a query parameter (its name folded) names another path or method."""
    return name in _PARAMETERS
