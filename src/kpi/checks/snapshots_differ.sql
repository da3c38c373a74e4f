-- Which snapshots of figures are not what their facts said at their position?
-- severity: high
-- reference: snapshot_id
-- reads: issues
-- sentence: The figures recorded for {snapshot_id} as of position {as_of_position} are not what the log says: {figures}.
select
    concat_ws('/', d.day, d.window_days, nullif(d.currency, '')) as snapshot_id,
    run.as_of_position, run.contract_version,
    string_agg(format('%%s is %%s, not %%s', d.figure, coalesce(d.stored, 0), coalesce(d.recomputed, 0)), '; ' order by d.figure) as figures
from (
    select as_of_position, contract_version, time_zone, differences
    from kpi.snapshot_runs
    where proved_at is not null
    order by as_of_position desc, proved_at desc
    limit 1
) as run
cross join lateral jsonb_to_recordset(run.differences)
    as d (day date, window_days integer, currency text, figure text, stored bigint, recomputed bigint)
group by d.day, d.window_days, d.currency, run.as_of_position, run.contract_version
