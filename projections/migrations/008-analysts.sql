-- What analysts may be granted: the generation that queries show, and nothing sealed nor a tag. A view reads by its maker's rights, so
-- who may read the views needs no right on the tables. OR REPLACE: without it the cluster's other nodes are told to create a view that
-- they have, when two migrators come at once, and leave it.
CREATE OR REPLACE VIEW analyst_exams AS
SELECT tenant_id, exam_id, owner_id, draft_title, published_number, published_title, published_duration_minutes,
       published_lead_time_minutes, published_buffer_minutes, version, changed_at_us
FROM exams WHERE generation = (SELECT generation FROM pw_projections WHERE name = 'exams');

CREATE OR REPLACE VIEW analyst_slots AS
SELECT tenant_id, slot_id, exam_id, exam_version, starts_at_us, ends_at_us, lead_time_minutes, buffer_minutes, capacity, taken_count,
       version, changed_at_us
FROM slots WHERE generation = (SELECT generation FROM pw_projections WHERE name = 'slots');

CREATE OR REPLACE VIEW analyst_reservations AS
SELECT tenant_id, reservation_id, slot_id, exam_id, student_id, state, starts_at_us, ends_at_us, version, changed_at_us
FROM reservations WHERE generation = (SELECT generation FROM pw_projections WHERE name = 'reservations');

CREATE OR REPLACE VIEW analyst_users AS
SELECT u.tenant_id, u.user_id, u.state, u.roles, w.language, w.time_zone, u.version, u.changed_at_us
FROM users u
LEFT JOIN user_preferences w ON w.generation = u.generation AND w.tenant_id = u.tenant_id AND w.user_id = u.user_id
WHERE u.generation = (SELECT generation FROM pw_projections WHERE name = 'users');
