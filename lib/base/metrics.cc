#include "base/metrics.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/escape.h"

namespace onecopy::base::metrics {
namespace {

constexpr std::array acknowledgement_bounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                               0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};
constexpr std::array hold_bounds = {0.1, 0.5, 1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 86400.0};
constexpr std::array lag_bounds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0};
constexpr std::array size_bounds = {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0};

std::string number(double value) {
    std::array<char, 32> digits;
    auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    return {digits.data(), end};
}

struct NamedHistogram {
    std::string_view name;
    std::string_view help;
    const Histogram& histogram;
};

const NamedHistogram histograms[] = {
    {"onecopy_acknowledgement_seconds", "Time from the final dot of a copy to its answer.", acknowledgement},
    {"onecopy_hold_seconds", "Time from the first copy of a message to its first attempt.", hold},
    {"onecopy_loop_lag_seconds", "How late a timer of the event loop was, looked at once a second.", loop_lag},
    {"onecopy_commit_operations", "Operations stored in one commit of the ledger.", commit_size},
};

struct Refusal {
    std::string_view reason;
    const Counter& count;
};

const Refusal refusals[] = {
    {"allow", refused_allow},
    {"connections", refused_limit},
    {"connections_per_client", refused_client_limit},
    {"proxy_header", refused_proxy_header},
};

}  // namespace

Histogram acknowledgement(acknowledgement_bounds);
Histogram hold(hold_bounds);
Histogram loop_lag(lag_bounds);
Histogram commit_size(size_bounds);
Counter copies, messages;
Counter refused_allow, refused_limit, refused_client_limit, refused_proxy_header;

void Histogram::observe(double value) {
    const auto place = static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
    buckets_[place].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

void Text::family(std::string_view name, std::string_view type, std::string_view help) {
    for (std::string_view part : {std::string_view("# HELP "), name, std::string_view(" "), help,
                                  std::string_view("\n# TYPE "), name, std::string_view(" "), type, std::string_view("\n")})
        text_ += part;
}

void Text::sample(std::string_view name, double value, std::string_view labels) {
    text_ += name;
    if (!labels.empty()) text_.append("{").append(labels).append("}");
    text_.append(" ").append(number(value)).append("\n");
}

/// Prometheus wants each bucket to hold those below it.
void Text::histogram(std::string_view name, const Histogram& histogram) {
    const std::string prefix(name);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.bounds().size(); ++i) {
        count += histogram.in_bucket(i);
        sample(prefix + "_bucket", static_cast<double>(count), label("le", number(histogram.bounds()[i])));
    }
    count += histogram.in_bucket(histogram.bounds().size());
    sample(prefix + "_bucket", static_cast<double>(count), label("le", "+Inf"));
    sample(prefix + "_sum", histogram.sum());
    sample(prefix + "_count", static_cast<double>(count));
}

std::string label(std::string_view name, std::string_view value) {
    std::string text = std::string(name) + "=\"";
    for (char c : printable(value)) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

void write(Text& text) {
    for (const NamedHistogram& one : histograms) {
        text.family(one.name, "histogram", one.help);
        text.histogram(one.name, one.histogram);
    }
    constexpr std::string_view refused = "onecopy_connections_refused_total";
    text.family(refused, "counter", "Connections that were turned away, by the key or the reason.");
    for (const Refusal& one : refusals)
        text.sample(refused, static_cast<double>(one.count.value()), label("reason", one.reason));
}

}  // namespace onecopy::base::metrics
