#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "base/escape.h"
#include "config/source.h"

namespace onecopy::config {
namespace {

constexpr std::size_t most_depth = 16;
constexpr std::size_t most_nodes = 100'000;

/// The parser takes a bracket within a list that is not closed for a key, too.
constexpr std::string_view bracket_as_key =
    "a key must be a word: close the bracket that opens here, or quote text that begins with it";

Place place_of(const YAML::Mark& mark) {
    return mark.is_null() ? Place{1, 1} : Place{mark.line + 1, mark.column + 1};
}

/// Ends the parser where going on makes no sense; it must not recurse as deep as the text wants.
struct Refused {
    Problem problem;
};

/// Text that no value of ours may hold, though escapes in quotes can write it.
bool holds_control(const std::string& text) {
    std::string plain = text;
    std::erase(plain, '\\');
    return base::printable(plain, plain.size()) != plain;
}

/// Builds the nodes from the parser's events.
class Builder : public YAML::EventHandler {
public:
    explicit Builder(std::string_view text) : lines_(text) {}

    Document document;
    bool anything = false;

    /// The flow bracket that was open last, for the error at the end of the file that has no place of its own.
    Place open_bracket() const { return brackets_.empty() ? Place() : brackets_.back(); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (anything) refuse(mark, "here begins a second document: all must stand in one");
        anything = true;
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(Node::Kind::nothing, mark, "?", anchor, {}); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "aliases (*name) are not taken here"); }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
        add(Node::Kind::text, mark, tag, anchor, text);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override {
        open(Node::Kind::list, mark, tag, anchor, style);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override {
        open(Node::Kind::map, mark, tag, anchor, style);
    }
    void OnMapEnd() override { close(); }

private:
    struct Level {
        Node* node;
        bool has_key;
    };

    [[noreturn]] static void refuse(const YAML::Mark& mark, std::string what) {
        Place place = place_of(mark);
        throw Refused{{place.line, place.column, std::move(what)}};
    }

    void complain(Place place, std::string what) {
        document.problems.push_back({place.line, place.column, std::move(what)});
    }

    /// The new node, or none where it was the key of an entry.
    Node* add(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              const std::string& text) {
        if (++nodes_ > most_nodes) refuse(mark, "more than 100000 values: is it a configuration?");
        check(mark, tag, anchor, text);
        if (levels_.empty()) return fill(document.root, kind, mark, tag, text);
        Level& level = levels_.back();
        bool key = level.node->kind == Node::Kind::map && !level.has_key;
        if (key && kind == Node::Kind::nothing) refuse(mark, "a key must be a word");
        if (key && kind != Node::Kind::text) refuse(mark, std::string(bracket_as_key));
        if (level.node->kind == Node::Kind::list || key) level.node->items.emplace_back();
        level.has_key = key;
        Node& node = level.node->items.back();
        if (!key) return fill(node, kind, mark, tag, text);
        node.key = text;
        node.key_at = place_of(mark);
        return nullptr;
    }

    static Node* fill(Node& node, Node::Kind kind, const YAML::Mark& mark, const std::string& tag, const std::string& text) {
        node.kind = kind;
        node.at = place_of(mark);
        node.quoted = tag == "!";
        node.text = text;
        return &node;
    }

    void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) {
        Place place = place_of(mark);
        if (anchor != 0) complain(place, "anchors (&name) are not taken here");
        if (!tag.empty() && tag != "?" && tag != "!") complain(place, "tags (!name) are not taken here");
        if (lines_.open_quote(place)) refuse(mark, "the quote that opens here is not closed on its line");
        if (holds_control(text)) complain(place, "a text of one line without control characters is asked for here");
    }

    void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              YAML::EmitterStyle::value style) {
        if (levels_.size() == most_depth) refuse(mark, "nested more than 16 deep");
        levels_.push_back({add(kind, mark, tag, anchor, {}), false});
        brackets_.push_back(style == YAML::EmitterStyle::Flow ? place_of(mark) : open_bracket());
    }

    void close() {
        levels_.pop_back();
        brackets_.pop_back();
    }

    Lines lines_;
    std::vector<Level> levels_;
    std::vector<Place> brackets_;  // one for each level; no place: none is open
    std::size_t nodes_ = 0;
};

struct Hint {
    std::string_view error;  // the parser's words begin so; yaml-cpp 0.8 adds the name of an anchor
    std::string_view words;
};

const Hint hints[] = {
    {YAML::ErrorMsg::MAP_VALUE,
     "a `key: value` that can't stand here: look at the indentation and the colon of the lines above; quote text that holds "
     "`: `"},
    {YAML::ErrorMsg::END_OF_MAP,
     "a `key: value` is asked for here, indented as its neighbours; quote text that begins with a bracket"},
    {YAML::ErrorMsg::END_OF_SEQ, "a `- value` is asked for here, indented as its neighbours"},
    {YAML::ErrorMsg::BLOCK_ENTRY, "a `- value` can't stand here: look at the indentation of the lines above"},
    {YAML::ErrorMsg::UNKNOWN_TOKEN, "text that begins with this character must stand in quotes"},
    {YAML::ErrorMsg::UNKNOWN_ANCHOR, "text that begins with * must stand in quotes"},
    {YAML::ErrorMsg::FLOW_END, "a closing bracket that nothing opened"},
    {YAML::ErrorMsg::EOF_IN_SCALAR, "a quote is opened and not closed"},
    {YAML::ErrorMsg::DOC_IN_SCALAR, "a quote is opened and not closed"},
};

Problem problem_of(const YAML::Exception& error, const Builder& builder) {
    Place place = place_of(error.mark);
    bool bracket = error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW || error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW;
    if (bracket && builder.open_bracket().line > 0) place = builder.open_bracket();
    if (bracket) return {place.line, place.column, "the bracket that opens here is not closed, or a comma is missing in it"};
    for (const Hint& hint : hints) {
        if (error.msg.starts_with(hint.error)) return {place.line, place.column, std::string(hint.words)};
    }
    return {place.line, place.column, "no YAML: " + base::printable(error.msg, 200)};
}

}  // namespace

Document parse(const std::string& text) {
    if (auto problem = wrong_text(text)) return {{}, false, {*problem}};
    std::istringstream stream(text);
    YAML::Parser parser;
    Builder builder(text);
    try {
        parser.Load(stream);
        while (parser.HandleNextDocument(builder)) continue;
        builder.document.whole = true;
    } catch (const Refused& refused) {
        builder.document.problems.push_back(refused.problem);
    } catch (const YAML::Exception& error) {
        builder.document.problems.push_back(problem_of(error, builder));
    }
    Node& root = builder.document.root;
    if (root.kind == Node::Kind::nothing) root = {Node::Kind::map, {1, 1}, {}, false, {}, {}, {}};
    return std::move(builder.document);
}

}  // namespace onecopy::config
