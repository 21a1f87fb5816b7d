# cmake -DOUTPUT=migrations.c "-DFILES=001-a.sql,002-b.sql" -P embed.cmake
# Writes the migrations into a C file, byte for byte and in the order of their names.
string(REPLACE "," ";" FILES "${FILES}")
set(contents "")
set(table "")
foreach(path IN LISTS FILES)
    get_filename_component(name ${path} NAME_WE)
    string(REGEX REPLACE "[^0-9a-z]" "_" symbol ${name})
    file(READ ${path} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND contents "static const char sql_${symbol}[] = {${bytes} 0};\n")
    string(APPEND table "    {\"${name}\", sql_${symbol}, sizeof sql_${symbol} - 1},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Written by projections/migrations/embed.cmake out of the .sql files beside it. */
#include \"projections/migrate.h\"

${contents}
const struct pw_migration pw_migrations[] = {
${table}};
const uint32_t pw_migration_count = PW_COUNT(pw_migrations);
")
