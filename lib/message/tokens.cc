#include "message/tokens.h"

// clang-format off
#include <cstdint>  // mimetic's headers use it and forget to include it, which g++ 14 no longer forgives
#include <mimetic/mimetic.h>
// clang-format on

#include <algorithm>
#include <iterator>
#include <utility>

#include "message/characters.h"

namespace onecopy::message {

namespace {

constexpr std::size_t most_bytes = 64 * 1024;
constexpr std::size_t most_fields = 1000;
constexpr std::size_t most_field_bytes = 32 * 1024;

// The tokenizer of mimetic's parser without what it does next: it would read Content-Type and go on to the body.
class HeaderParser : mimetic::IteratorParser<const char*, std::input_iterator_tag> {
public:
    explicit HeaderParser(mimetic::MimeEntity& entity) : IteratorParser(entity) {}

    void read(const std::string& block) {
        m_bit = block.data();
        m_eit = block.data() + block.size();
        loadHeader();
    }
};

// Every CR stands in a CRLF, every CRLF in a fold, and there is no NUL: mimetic hands values on as C strings.
bool is_clean(std::string_view value) {
    if (value.find('\0') != value.npos) return false;
    const auto returns = static_cast<std::size_t>(std::count(value.begin(), value.end(), '\r'));
    const auto feeds = static_cast<std::size_t>(std::count(value.begin(), value.end(), '\n'));
    std::size_t folds = 0;
    for (auto at = value.find("\r\n"); at != value.npos; at = value.find("\r\n", at + 2)) {
        if (at + 2 < value.size() && is_blank(value[at + 2])) ++folds;
    }
    return returns == folds && feeds == folds;
}

struct CleanCopy {
    std::string block;
    std::vector<std::size_t> fields;

    void add(const Field& field, std::size_t index) {
        const auto size = field.name.size() + field.value.size() + 3;
        if (size > most_field_bytes || block.size() + size > most_bytes || fields.size() == most_fields) return;
        if (!is_clean(field.value)) return;
        block.append(field.name).append(":").append(field.value).append("\r\n");
        fields.push_back(index);
    }
};

CleanCopy clean_copy(const std::vector<Field>& fields) {
    CleanCopy copy;
    for (std::size_t index = 0; index < fields.size(); ++index) {
        if (!fields[index].name.empty()) copy.add(fields[index], index);
    }
    copy.block += "\r\n";
    return copy;
}

// mimetic keeps the space of a fold right behind the colon.
std::string without_leading_blank(std::string value) {
    value.erase(0, std::min(value.find_first_not_of(" \t"), value.size()));
    return value;
}

}  // namespace

MimeticReading read_by_mimetic(const std::vector<Field>& fields) {
    auto copy = clean_copy(fields);
    mimetic::MimeEntity entity;
    HeaderParser(entity).read(copy.block);
    MimeticReading reading{std::move(copy.fields), {}};
    const auto& seen = entity.header();
    if (seen.size() != reading.fields.size()) return reading;
    reading.values.reserve(seen.size());
    for (std::size_t at = 0; at < seen.size(); ++at) {
        if (std::string_view(seen[at].name()) != fields[reading.fields[at]].name) return {std::move(reading.fields), {}};
        reading.values.push_back(without_leading_blank(seen[at].value()));
    }
    return reading;
}

std::vector<std::string> field_values(const std::vector<Field>& fields) {
    auto reading = read_by_mimetic(fields);
    std::vector<std::string> values(fields.size());
    std::size_t next = 0;
    for (std::size_t index = 0; index < fields.size(); ++index) {
        const bool read = next < reading.values.size() && reading.fields[next] == index;
        values[index] = read ? std::move(reading.values[next++]) : join_folds(fields[index].value);
    }
    return values;
}

std::string mimetic_version() {
    return mimetic::version.str();
}

}  // namespace onecopy::message
