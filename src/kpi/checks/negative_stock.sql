-- Which products have levels that cannot be?
-- severity: high
-- reference: sku
-- reads: stock
-- sentence: {sku} has {available} available ({on_hand} on hand, {committed} committed, {reserved} reserved).
select
    sku,
    on_hand,
    committed,
    reserved,
    available,
    preorder
from stock
where (available < 0 and not preorder)
    or on_hand < 0 -- a pre-order was sent before its units were counted in
    or committed < 0
    or reserved < 0
    or fulfilled < returned
