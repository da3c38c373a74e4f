"""The console: pages for operators, analysts and auditors at `/console`.

It is a client of the service's own HTTP API and of nothing else: each page asks it, within the
process, in the name of who signed in. So a page can show and do what the role may, and no more.

    http.py      the routes            session.py   sign-in, cookie, forms that are ours
    pages/       one module a page     api.py       calls of the API without a network
    templates/   Jinja2                writing.py   how money, times and states are written
    forms.py     what people write     order_actions.py   what can be done to an order, when not
    frame.py     menu and counts       glossary.py  what pages call states, columns and events
    charts.py    what charts draw      static/      styles, scripts and icons
"""
