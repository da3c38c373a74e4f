-- Which products have levels that cannot be?
-- severity: high
-- reference: sku
-- reads: stock
-- sentence: {sku} has {available} available ({on_hand} on hand, {reserved} reserved, {sold} sold).
select
    sku,
    on_hand,
    reserved,
    sold,
    available,
    preorder
from stock
where (available < 0 and not preorder)
    or reserved < 0
    or sold < 0
