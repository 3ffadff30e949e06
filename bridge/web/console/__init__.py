"""The web console: pages for people, served by a process of their own (`bridge.workers.front`).

`site` answers every request: it finds the route, who asks and whether they may, and turns failures into pages. A page
is a module with its `ROUTES`: handlers that take a `Visit` and answer with `visit.page(template, …)`. `assets` serves
style and scripts by the hash of their content, `same_origin` refuses forms that another site sent.

Pages work without JavaScript; with it, htmx replaces the part of a page that changed. Nothing is inline and nothing
comes from elsewhere, so that the content security policy needs no exception.
"""
