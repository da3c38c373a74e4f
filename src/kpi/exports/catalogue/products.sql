-- What did each product sell in the window, less what came back?
select
    coalesce((select name from products where sku = f.sku), f.sku) as name,
    sum(f.units)::bigint as units,
    sum(f.revenue_minor)::bigint as revenue_minor,
    f.sku,
    f.currency
from products_daily as f
where f.day between %(first)s and %(last)s
    and (%(currency)s::text is null or f.currency = %(currency)s)
    and (%(sku)s::text is null or f.sku = %(sku)s)
group by f.sku, f.currency
order by f.currency, revenue_minor desc, units desc, f.sku
