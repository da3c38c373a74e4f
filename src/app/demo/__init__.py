"""The demo: a believable shop, with a history of its own, that is played over HTTP.

shop            what is sold, to whom, and what lies in a basket; seasons: how much of it when
customers       who buys: customers who come again, guests, and prospects
history         ninety days before today, decided beforehand: orders, with their outcomes
                (order_outcomes), and subscriptions (subscribers); all of it in a timeline
account         the year before those days, as its Stripe account tells it: pulled by its lists
history_import  the history, imported into an empty log
script          everything that happens today, decided beforehand and the same for the same start
client          the service as a shop and Stripe see it, over HTTP
runner          plays the script over HTTP
result          what came out of it, as the read endpoints say
"""
