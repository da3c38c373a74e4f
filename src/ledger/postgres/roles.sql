-- The four roles, and the migrating user's right to act as each of them.
-- Roles belong to the whole server, so this runs before the migrations of every database of it,
-- perhaps at the same moment for several: the second one finds the work done.

do $$
declare
    name text;
    may_act_as boolean;
begin
    foreach name in array array['ledger_owner', 'ledger_app', 'ledger_projector', 'ledger_reader']
    loop
        if to_regrole(name) is null then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;

        -- Since 16 membership alone does not allow `set role`.
        may_act_as := case
            when current_setting('server_version_num')::int >= 160000
            then pg_has_role(current_user, name, 'SET')
            else pg_has_role(current_user, name, 'MEMBER')
        end;
        if not may_act_as then
            begin
                execute format(
                    'grant %I to %I %s', name, current_user,
                    case
                        when current_setting('server_version_num')::int >= 160000
                        then 'with set true'
                        else ''
                    end
                );
            exception when unique_violation or internal_error then
                null; -- "tuple concurrently updated": the other one granted the same
            end;
        end if;
    end loop;
end
$$;
