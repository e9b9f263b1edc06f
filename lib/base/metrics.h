#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// What the process counts of itself since its start, and the text that Prometheus reads. Counting takes no lock and no
/// memory, from any thread.
namespace onecopy::base::metrics {

class Counter {
public:
    void add(std::uint64_t more = 1) { value_.fetch_add(more, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_ = 0;
};

class Histogram {
public:
    static constexpr std::size_t most_bounds = 16;

    /// Upper bounds, ascending, at most most_bounds; they must outlive it.
    constexpr explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}
    void observe(double value);
    void observe(std::chrono::duration<double> value) { observe(value.count()); }

    std::span<const double> bounds() const { return bounds_; }
    /// Of one bucket alone; the last is what lies beyond every bound.
    std::uint64_t in_bucket(std::size_t place) const { return buckets_.at(place).load(std::memory_order_relaxed); }
    double sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::span<const double> bounds_;
    std::array<std::atomic<std::uint64_t>, most_bounds + 1> buckets_{};
    std::atomic<double> sum_ = 0;
};

extern Histogram acknowledgement;  // from the final dot to its answer
extern Histogram hold;             // from the first copy to the first attempt
extern Histogram loop_lag;         // how late a timer of the loop is
extern Histogram commit_size;      // operations in one commit
extern Counter copies, messages;   // accepted since the start, and the groups they made: for the status page
extern Counter refused_allow, refused_limit, refused_client_limit, refused_proxy_header;

/// Text format 0.0.4: a family's HELP and TYPE, then its samples. `labels` as in `server="a:25"`, made by label().
class Text {
public:
    void family(std::string_view name, std::string_view type, std::string_view help);
    void sample(std::string_view name, double value, std::string_view labels = {});
    void histogram(std::string_view name, const Histogram& histogram);
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

/// `name="value"`, whatever bytes the value holds.
std::string label(std::string_view name, std::string_view value);

/// Writes all that stands above.
void write(Text& text);

}  // namespace onecopy::base::metrics
