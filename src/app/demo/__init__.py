"""The demo: a believable shop that brings its past along and is played over HTTP.

shop     what is sold, to whom, and what lies in a basket
past     ninety days before today, decided beforehand: orders of the seasons, bought by the crowd,
         with their fates, and the members' subscriptions; all of it in a diary
moving   the past, brought into an empty log
script   everything that happens today, decided beforehand and the same for the same start
door     the service as a shop and Stripe see it, over HTTP
play     plays the script over HTTP
outcome  what came out of it, as the read endpoints say; view: the same for people
"""
