-- Which sums by day that figures are read from differ from the facts that they sum up?
-- severity: high
-- reference: rollup_id
-- reads: revenue_daily refunds_daily disputes_daily payments_daily sales_daily products_daily stock stock_daily mrr_movements
-- sentence: The sums of {rollup_id} are {sums}; its facts add up to {facts}.
with facts (rollup, day, part, sums) as (
    select
        'revenue_daily', day, currency,
        jsonb_build_object(
            'revenue_minor', sum(amount_minor),
            'overpaid_minor', sum(overpaid_minor),
            'captures', sum(payment_count)
        )
    from captures
    group by day, currency
    union all
    select
        'refunds_daily', day, currency,
        jsonb_build_object('refunded_minor', sum(amount_minor))
    from refund_movements
    group by day, currency
    union all
    select
        'disputes_daily', day, currency,
        jsonb_build_object('disputed_minor', sum(amount_minor), 'disputes', sum(disputes))
    from dispute_facts
    group by day, currency
    union all
    select
        'payments_daily', day, currency,
        jsonb_build_object('succeeded', sum(succeeded), 'failed', sum(failed))
    from payment_outcomes
    group by day, currency
    union all
    select
        'orders_daily', day, currency,
        jsonb_build_object(
            'orders', sum(orders),
            'page_discount_minor', sum(page_discount_minor),
            'brought_minor', sum(brought_minor),
            'refunded_orders_cohort', sum(refunded),
            'refunded_minor_cohort', sum(refunded_minor),
            'shipping_minor', sum(shipping_minor),
            'tax_minor', sum(tax_minor)
        )
    from order_sales
    group by day, currency
    union all
    select
        'sales_daily', day, currency,
        jsonb_build_object(
            'gross_minor', sum(gross_minor),
            'discount_minor', sum(discount_minor),
            'return_minor', sum(return_minor),
            'units', sum(units)
        )
    from line_sales
    group by day, currency
    union all
    select
        'products_daily', day, concat_ws('/', currency, sku),
        jsonb_build_object('units', sum(units), 'revenue_minor', sum(revenue_minor))
    from line_sales
    group by day, currency, sku
    union all
    select
        'stock_daily', ledger.business_day(at), '',
        jsonb_build_object('on_hand', sum(on_hand), 'held', sum(held))
    from stock_movements
    group by 2
    union all
    select
        'stock_committed_daily', ledger.business_day(at), '',
        jsonb_build_object('committed', sum(units))
    from stock_commitments
    group by 2
    union all
    select
        'mrr_daily', day, currency,
        jsonb_build_object(
            'mrr_minor', sum(amount_minor),
            'new_minor', coalesce(sum(amount_minor) filter (where kind = 'new'), 0),
            'expansion_minor', coalesce(sum(amount_minor) filter (where kind = 'expansion'), 0),
            'contraction_minor', coalesce(sum(amount_minor) filter (where kind = 'contraction'), 0),
            'churned_minor', coalesce(sum(amount_minor) filter (where kind = 'churned'), 0),
            'reactivation_minor',
            coalesce(sum(amount_minor) filter (where kind = 'reactivation'), 0),
            'subscriptions', sum(subscriptions),
            'uncounted', sum(uncounted),
            'subscribers', sum(subscribers_new - subscribers_churned),
            'new_subscribers', sum(subscribers_new),
            'churned_subscribers', sum(subscribers_churned)
        )
    from mrr_movements
    group by day, currency
),
kept (rollup, day, part, sums) as (
    select
        'revenue_daily', day, currency,
        to_jsonb(revenue_daily) - 'day' - 'currency' - 'lines'
    from revenue_daily
    union all
    select
        'refunds_daily', day, currency, jsonb_build_object('refunded_minor', refunded_minor)
    from refunds_daily
    union all
    select
        'disputes_daily', day, currency,
        jsonb_build_object('disputed_minor', disputed_minor, 'disputes', disputes)
    from disputes_daily
    union all
    select
        'payments_daily', day, currency,
        jsonb_build_object('succeeded', succeeded, 'failed', failed)
    from payments_daily
    union all
    select
        'orders_daily', day, currency,
        to_jsonb(orders_daily) - 'day' - 'currency' - 'lines'
    from orders_daily
    union all
    select
        'sales_daily', day, currency,
        to_jsonb(sales_daily) - 'day' - 'currency' - 'lines'
    from sales_daily
    union all
    select
        'products_daily', day, concat_ws('/', currency, sku),
        jsonb_build_object('units', units, 'revenue_minor', revenue_minor)
    from products_daily
    union all
    select 'stock_daily', day, '', to_jsonb(stock_daily) - 'day' - 'lines'
    from stock_daily
    union all
    select 'stock_committed_daily', day, '', jsonb_build_object('committed', committed)
    from stock_committed_daily
    union all
    select 'mrr_daily', day, currency, to_jsonb(mrr_daily) - 'day' - 'currency' - 'lines'
    from mrr_daily
)
select
    concat_ws('/', rollup, day, nullif(part, '')) as rollup_id,
    k.sums as sums,
    f.sums as facts
from facts as f
full join kept as k using (rollup, day, part)
where k.sums is distinct from f.sums
