"""The demo: a believable shop that is played through the service's front door.

shop     what is sold, to whom, and what lies in a basket
script   everything that happens, decided beforehand and the same for the same start
door     the service as a shop and Stripe see it, over HTTP
play     the script, told to the door
outcome  what came out of it, as the read endpoints say
"""
