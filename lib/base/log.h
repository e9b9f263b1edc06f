#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace onecopy::base {

enum class Level { error, warning, info, debug };

/// One `key=value` of a log line; the value is escaped when the line is made.
struct Field {
    Field(std::string_view key, std::string_view value) : key(key), value(value) {}
    Field(std::string_view key, const char* value) : key(key), value(value) {}
    Field(std::string_view key, std::integral auto number) : key(key), value(std::to_string(number)) {}

    std::string_view key;
    std::string value;
};

/// The log of the process: one line an event, `event key=value ...`, on standard error, with a `<priority>` prefix
/// where journald reads it (JOURNAL_STREAM is set). Used by the loop's thread alone, and by the top floors alone:
/// below them an event is a value that is returned. Lines are gathered and written by flush(), one write a turn of
/// the loop; a line of level error, or 64 KiB, is written at once.
namespace log {

void set_level(Level most);
bool enabled(Level level);

void error(std::string_view event, std::initializer_list<Field> fields = {});
void warning(std::string_view event, std::initializer_list<Field> fields = {});
void info(std::string_view event, std::initializer_list<Field> fields = {});
void debug(std::string_view event, std::initializer_list<Field> fields = {});

void flush();

/// The text of a line, without prefix and line end.
std::string line(std::string_view event, std::initializer_list<Field> fields);

}  // namespace log

}  // namespace onecopy::base
