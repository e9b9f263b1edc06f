#!/usr/bin/env python3
"""Whether the simulation finds what it is there to find: each fault below is put into a copy of the sources, alone, and must be
found within some seeds.

python3 tests/simulation/mutants.py [--only NAME,...] [--base SEED] [--seeds COUNT] [--work DIRECTORY]

One line for each: how many seeds it took. Exit status 1 where one was not found.
"""

import argparse
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]

MIGRATE = """    database.exec("BEGIN IMMEDIATE");
    for (const Migration& step : migrations) {
        if (step.from >= version) database.exec(step.sql);
    }
    set_version(database);
    database.exec("COMMIT");
"""

# name, file, what stands there, what stands there then
FAULTS = [
    # durability
    ("segments-not-synced", "lib/ledger/spool.cc", "    sync_segments();  // where", "    // where"),
    ("database-not-synced", "lib/ledger/schema.cc", 'synchronous=FULL");\n    if (mode != "wal" || database.integer("PRAGMA synchronous") != 2) {',
     'synchronous=OFF");\n    if (mode != "wal" || database.integer("PRAGMA synchronous") != 0) {'),
    ("undone-offer-is-answered-250", "lib/ledger/ledger_thread.cc", "            if (!operation.done) {\n                offer",
     "            if (false) {\n                offer"),
    ("names-of-segments-not-synced", "lib/ledger/segment.cc",
     'if (new_name_) files_.sync_directory(directory_ + "/segments");', ""),
    ("unsure-commit-is-answered-4xx", "lib/ledger/sqlite_ledger.cc",
     "        if (!error.disk_full()) throw CommitUnknown{error.what()};\n", "        (void)error;\n"),
    ("settlement-given-up", "lib/ledger/ledger_thread.cc",
     "    settles_.push_back(std::move(settle));\n    stuck_ = true;\n", "    spool_.in_flight().erase(settle.settlement.group);\n"),
    ("failed-sync-of-segments-ignored", "lib/ledger/spool.cc",
     "        for (auto& [id, upload] : uploads_) upload.lost = true;\n        return false;", "        return true;"),
    # identity
    ("merged-by-id-alone", "lib/relay/intake.cc",
     "    copy.untouched = assembly.untouched() || observe;\n",
     "    copy.untouched = assembly.untouched() || observe;\n"
     "    if (!copy.arriving.identity.message_id.empty()) copy.arriving.identity.content = {};\n"),
    ("sender-does-not-count", "lib/coalesce/rules.cc",
     "    if (policy.match_sender && !same_sender(group.sender, copy.sender)) return Kinship::other_sender;\n", ""),
    ("history-forgotten", "lib/coalesce/rules.cc",
     "                if (remembered(member, policy_, now_)) return Verdict::suppressed;\n", ""),
    ("other-senders-groups-forgotten", "lib/ledger/sqlite_ledger.cc",
     "            case coalesce::Kinship::other_sender:\n                kin.siblings.push_back(std::move(*group));\n",
     "            case coalesce::Kinship::other_sender:\n"),
    ("waiting-elsewhere-does-not-count", "lib/coalesce/rules.cc",
     "        if (member.state == State::pending) return true;\n", ""),
    ("nobody-is-known-already", "lib/coalesce/rules.cc",
     "        return place ? join_member(*place, recipient) : new_member(recipient);",
     "        return place && group_.members[*place].state != State::delivered ? join_member(*place, recipient)\n"
     "                                                                         : new_member(recipient);"),
    ("id-always-counts", "lib/relay/policy.cc", "policy.match_id = matches(config::Part::message_id);", "policy.match_id = true;"),
    ("sender-always-counts", "lib/relay/policy.cc", "policy.match_sender = matches(config::Part::sender);",
     "policy.match_sender = true;"),
    ("content-always-counts", "lib/relay/policy.cc", "policy.match_content = matches(config::Part::content);",
     "policy.match_content = true;"),
    ("other-content-is-known", "lib/coalesce/rules.cc",
     "member.state == State::delivered && sibling.identity.content == identity_.content &&", "member.state == State::delivered &&"),
    ("other-content-joins-who-has-it", "lib/coalesce/rules.cc",
     "return anyone_has_it(group, copy, policy.fold_case) ? Kinship::partly_served : Kinship::same;", "return Kinship::same;"),
    # privacy
    ("for-clause-stays", "lib/message/trace.cc", "            out += received_without(hidden, field);",
     "            out += field.raw;"),
    ("trace-fields-stay", "lib/message/trace.cc", "        if (always_goes(field.name)) continue;\n        if (field.is(\"Received\") && !blind",
     "        if (field.is(\"Received\") && !blind"),
    ("unknown-fields-stay", "lib/message/trace.cc",
     "        } else if (blind.empty() || never_goes(field) || !holds_any(text_of(field), blind)) {", "        } else {"),
    ("only-who-waits-is-hidden", "lib/ledger/sqlite_ledger.cc",
     "        due.everyone.push_back(member.address);\n        if (member.state != coalesce::State::pending) continue;\n",
     "        if (member.state != coalesce::State::pending) continue;\n        due.everyone.push_back(member.address);\n"),
    ("notice-returns-the-header-as-it-came", "lib/ledger/notices.cc", "    if (group.untouched) return content.header;",
     "    if (group.untouched || !policy.retry.empty()) return content.header;"),
    ("who-has-it-elsewhere-is-shown", "lib/coalesce/rules.cc", "return know(recipient);", "return Verdict::elsewhere;"),
    # delivery
    ("one-recipient-too-many", "lib/relay/delivery.cc", "std::min(most, waiting.size())", "std::min(most + 1, waiting.size())"),
    ("job-of-a-connection-that-was-cut-at-rest-is-lost", "lib/relay/outgoing.cc",
     "        owner_.unused(*std::exchange(job_, std::nullopt));", "        job_.reset();"),
    ("given-back-job-waits-for-another", "lib/relay/backend.cc",
     "    if (stopping_) return finish_if_stopped();\n    pump();\n", "    if (stopping_) return finish_if_stopped();\n"),
    ("who-was-too-many-waits-for-the-retry", "lib/relay/verdicts.cc", "                verdicts.again.push_back(tried[i]);\n", ""),
    ("rest-never-ends", "lib/relay/backend.cc", "    if (next.count() > 0) rest_timer_.set(next);", ""),
    ("nobody-is-told-that-all-rest", "lib/relay/backend.cc", "        if (!server) return refuse_all();", "        if (!server) return;"),
    ("next-content-begins-where-the-last-ended", "lib/relay/outgoing.cc", "    next_extent_ = 0;\n", ""),
    ("answer-is-not-awaited-at-the-end", "lib/relay/backend.cc",
     "        if (!open->connection->awaiting_verdict()) open->connection->cut();", "        open->connection->cut();"),
    ("refused-is-put-off", "lib/smtp/running_transaction.cc", "return reply.permanent() ? Outcome::refused : Outcome::deferred;",
     "return Outcome::deferred;"),
    ("lost-answer-is-250", "lib/relay/verdicts.cc",
     'Outcome::What::deferred, "no answer to the message: " + text}', 'Outcome::What::delivered, "no answer to the message: " + text}'),
    ("refused-together-fail-together", "lib/relay/verdicts.cc", "if (answers[i].shared && !is_about_size(answers[i].reply)) {",
     "if (false) {"),
    ("nobody-is-told", "lib/coalesce/rules.cc", "    owe(member, tell_failed);\n", ""),
    ("refused-notice-is-not-shortened", "lib/ledger/sqlite_ledger.cc",
     "coalesce::holds_too_much(*group, settlement.outcomes) && shorten(*group, context)", "false"),
    ("told-again", "lib/coalesce/rules.cc", "    if ((member.told & what) == 0) member.owed |= what;", "    member.owed |= what;"),
    ("in-flight-not-marked", "lib/ledger/ledger_thread.cc",
     "        Due one = spool_.load_due(group, moment_);\n        spool_.in_flight().insert(group);\n",
     "        Due one = spool_.load_due(group, moment_);\n"),
    ("notify-lost", "lib/coalesce/rules.cc", "        member.options = recipient.options;\n        member.apart", "        member.apart"),
    # what is spoken
    ("one-answer-for-all", "lib/smtp/server_session.cc",
     "const std::size_t more = options_.lmtp && reply.code != 421 ?", "const std::size_t more = false ?"),
    ("who-wants-a-log-in-refuses-the-mail", "lib/smtp/client_session.cc",
     "    if (reply.wants_log_in() || says_log_in(reply)) return fail(reply);\n", ""),
    ("who-wants-a-log-in-refuses-the-recipient", "lib/smtp/client_session.cc",
     "    if (reply.wants_log_in()) return fail(reply);\n    running_->take_recipient_reply(reply);\n",
     "    running_->take_recipient_reply(reply);\n"),
    ("who-wants-a-log-in-refuses-the-content", "lib/smtp/client_session.cc",
     "    if (reply.wants_log_in()) log_in_wanted_ = reply;\n", ""),
    ("who-was-refused-is-answered-too", "lib/smtp/server_commands.cc",
     "    if (auto refused = handler_.recipient(*mailbox, parameters.options)) return *std::move(refused);\n    ++recipients_;\n",
     "    ++recipients_;\n    if (auto refused = handler_.recipient(*mailbox, parameters.options)) return *std::move(refused);\n"),
    ("chunk-ends-its-line", "lib/smtp/server_session.cc", "if (in.ended && in.last_chunk) in.decoder", "if (in.ended) in.decoder"),
    ("verdict-of-another", "lib/smtp/running_transaction.cc", "recipient = accepted_[verdicts_++];",
     "recipient = usable_[verdicts_++];"),
    ("sent-chunk-has-dots", "lib/smtp/running_transaction.cc", "    if (chunked()) {\n        out += piece;",
     "    if (false) {\n        out += piece;"),
    ("smtputf8-is-not-asked-for", "lib/smtp/running_transaction.cc", "    if (smtputf8_) line += \" SMTPUTF8\";\n", ""),
    ("without-smtputf8-it-fails", "lib/smtp/running_transaction.cc",
     'Outcome::deferred, {0, "5.6.7", "the server does not', 'Outcome::refused, {554, "5.6.7", "the server does not'),
    ("what-a-server-lacked-it-lacks-for-ever", "lib/relay/backend.cc",
     "        return base::boot_clock() - was_ready >= lacking_for;", "        return false;"),
    ("who-knows-helo-alone-is-ill", "lib/smtp/client_session.cc",
     "    } else if (!options_.lmtp && (reply.code == 500", "    } else if (false && (reply.code == 500"),
    ("transaction-without-recipients-is-left-open", "lib/smtp/client_session.cc",
     "    left_open_ = reply.positive();\n    if (reply.positive()) return;", "    if (reply.positive()) return;"),
    ("chunk-goes-to-nobody", "lib/smtp/client_session.cc", "    if (awaited_.empty()) {\n        output_ += running_->chunk_command();",
     "    if (true) {\n        output_ += running_->chunk_command();"),
    ("smtputf8-goes-to-any-server", "lib/relay/backend.cc",
     "if (smtputf8.value_or(true) || !message::needs_smtputf8(job.envelope)) return true;", "if (job.header != nullptr) return true;"),
    # who may hear it, and who may speak
    ("password-in-the-clear", "lib/smtp/client_session.cc", "    if (!secure_ && !options_.may_authenticate) {\n", "    if (false) {\n"),
    ("mail-in-the-clear-where-no-tls-is-offered", "lib/smtp/client_session.cc",
     '    if (options_.tls == Tls::required) return fail({0, "4.7.0", "the server does not offer STARTTLS (backend.tls)"});\n', ""),
    ("mail-in-the-clear-where-tls-is-refused", "lib/smtp/client_session.cc",
     "    if (options_.tls == Tls::required) return fail(reply);\n    authenticate();\n", "    authenticate();\n"),
    ("mail-in-the-clear-where-the-handshake-fails", "lib/relay/outgoing.cc",
     "!shaking_hands_ || doors_.session.tls != smtp::ClientSession::Tls::opportunistic) return", "!shaking_hands_) return"),
    ("failed-handshake-is-the-end", "lib/relay/outgoing.cc",
     "    if (ended_ || !shaking_hands_ || doors_.session.tls", "    if (ended_ || shaking_hands_ || doors_.session.tls"),
    ("any-certificate-will-do", "lib/relay/credentials.cc", "config.backend.tls == config::BackendTls::verify,", "false,"),
    ("no-greeting-under-tls", "lib/smtp/client_session.cc", "    extensions_ = {};\n    greet_back();\n", "    authenticate();\n"),
    ("refused-log-in-is-passed-over", "lib/smtp/client_session.cc",
     "    if (!reply.intermediate()) return fail(reply);\n    if (extensions_.auth_plain",
     "    if (!reply.intermediate()) return become_ready();\n    if (extensions_.auth_plain"),
    ("password-comes-first", "lib/smtp/client_session.cc", "login_responses_++ == 0 ? options_.username : options_.password",
     "login_responses_++ != 0 ? options_.username : options_.password"),
    ("nobody-need-log-in", "lib/smtp/server_commands.cc", "if (options_.auth == Auth::required && user_.empty()) return bad",
     "if (false) return bad"),
    ("any-password-is-right", "lib/relay/intake.cc", "right ? Credentials::right : Credentials::wrong",
     "right || !right ? Credentials::right : Credentials::wrong"),
    ("password-is-asked-for-in-the-clear", "lib/relay/intake.cc",
     "options.may_authenticate = connection_->secure() || peer_.loopback;", "options.may_authenticate = true;"),
    ("required-tls-is-offered", "lib/relay/inbound.cc", "            return Tls::required;\n", "            return Tls::offered;\n"),
    ("implicit-tls-is-none", "lib/relay/inbound.cc", "listen.tls == config::ListenTls::implicit;", "false;"),
    ("tls-is-not-told", "lib/smtp/server_session.cc", '    if (options_.tls == Tls::active) name += "S";\n', ""),
    # spools of other versions
    ("grows-in-pieces", "lib/ledger/schema.cc", MIGRATE, MIGRATE.replace('    database.exec("BEGIN IMMEDIATE");\n', "")
     .replace('    database.exec("COMMIT");\n', "")),
    ("version-is-set-after-the-commit", "lib/ledger/schema.cc", MIGRATE,
     MIGRATE.replace('    set_version(database);\n    database.exec("COMMIT");\n',
                     '    database.exec("COMMIT");\n    set_version(database);\n')),
    ("version-is-set-before-it-grows", "lib/ledger/schema.cc", MIGRATE,
     "    set_version(database);\n" + MIGRATE.replace("    set_version(database);\n", "")),
    ("first-step-is-left-out", "lib/ledger/schema.cc", "if (step.from >= version) database", "if (step.from > version) database"),
    ("newer-version-is-opened", "lib/ledger/schema.cc", "if (version >= oldest && version <= spool_version) return;",
     "if (version >= oldest) return;"),
    ("refused-version-is-written-to", "lib/ledger/schema.cc", '    throw SpoolError("the spool is of version "',
     '    database.exec("UPDATE ledger SET clean = 0");\n    throw SpoolError("the spool is of version "'),
    ("refused-version-gets-ours", "lib/ledger/schema.cc", '    throw SpoolError("the spool is of version "',
     '    set_version(database);\n    throw SpoolError("the spool is of version "'),
    ("refused-without-its-version", "lib/ledger/schema.cc", '    throw SpoolError("the spool is of version "',
     '    throw SpoolError("the spool can\'t be used "'),
    ("index-does-not-grow", "lib/ledger/schema.cc",
     "DROP INDEX groups_by_id;\nCREATE INDEX groups_by_id ON groups(id_key, content_key) WHERE id_key IS NOT NULL;\n", ""),
    ("who-failed-before-counts-as-told", "lib/ledger/schema.cc", "ALTER TABLE members ADD COLUMN told INTEGER NOT NULL DEFAULT 0;",
     "ALTER TABLE members ADD COLUMN told INTEGER NOT NULL DEFAULT 1;"),
    ("attempts-are-lost-as-it-grows", "lib/ledger/schema.cc", "DROP INDEX groups_by_id;\n",
     "DELETE FROM attempts;\nDROP INDEX groups_by_id;\n"),
    ("unsure-log-of-an-orderly-end-stays", "lib/ledger/sqlite_ledger.cc", "const bool settled = settle_log();",
     "const bool settled = clean || settle_log();"),
    # clock
    ("clock-goes-back", "lib/ledger/clock.cc", "std::clamp(wall - stored.wall, base::Duration(0), longest_stop)",
     "std::min(wall - stored.wall, longest_stop)"),
    ("wrong-clock-ends-history", "lib/ledger/clock.cc", "    if (stop == longest_stop && !paused_) left_out_ += stop;\n", ""),
    ("no-stop-is-too-long", "lib/ledger/clock.cc", "std::chrono::hours(24 * 7)", "std::chrono::hours(24 * 7 * 1000)"),
    ("answer-waits-for-the-window", "lib/relay/intake.cc", "                            if (*weak) (*weak)->answered(acceptance);\n",
     "                            if (!*weak) return;\n"
     "                            (*weak)->wrong_password_ = std::make_unique<net::Timer>((*weak)->doors_.loop, [weak, acceptance] {\n"
     "                                if (*weak) (*weak)->answered(acceptance);\n"
     "                            });\n"
     "                            (*weak)->wrong_password_->set((*weak)->settings_->observed_window);\n"),
    ("no-window", "lib/coalesce/rules.cc", "(since - now.history) + policy.window;", "(since - now.history);"),
    ("window-twice", "lib/coalesce/rules.cc", "(since - now.history) + policy.window;", "(since - now.history) + 2 * policy.window;"),
    ("clock-runs-fast", "lib/ledger/clock.cc", "ledger_ + (boot - boot_);", "ledger_ + 2 * (boot - boot_);"),
    ("expires-early", "lib/coalesce/rules.cc", "if (age >= policy.expire) {", "if (age >= policy.expire / 3000) {"),
    # what an admin does
    ("dropped-comes-again", "lib/coalesce/rules.cc", "            case State::dropped:\n                return Verdict::dropped;\n",
     "            case State::dropped:\n                break;\n"),
    ("dropped-while-it-is-sent", "lib/ledger/sqlite_ledger.cc", "if (change == Change::drop && context.in_flight.contains(id)) {",
     "if (false) {"),
    ("forgotten-is-known", "lib/coalesce/rules.cc", "{State::delivered, State::failed, State::dropped}, State::forgotten",
     "{State::failed, State::dropped}, State::forgotten"),
    ("pause-ends-with-the-process", "lib/ledger/sqlite_ledger.cc", "    if (time.paused) paused = base::to_integer(*time.paused);\n", ""),
    ("pause-is-not-heard", "lib/ledger/ledger_thread.cc", "if (wanted_ == 0 || stuck_ || stopping_ || paused_) return;",
     "if (wanted_ == 0 || stuck_ || stopping_) return;"),
    ("crashes-are-not-counted", "lib/ledger/sqlite_ledger.cc", "UPDATE groups SET crashes = crashes + 1 WHERE id = ?",
     "UPDATE groups SET crashes = crashes WHERE id = ?"),
    # whose mail it is
    ("foreign-is-sent", "lib/coalesce/addressing.cc", "recipient.ignored = !is_local(recipient.address, policy);",
     "recipient.ignored = false;"),
    ("foreign-alone-is-lost", "lib/coalesce/addressing.cc", "    resolved.recipients.push_back({policy.postmaster, false, false});\n",
     ""),
    ("foreign-is-taken", "lib/relay/intake.cc", "settings_->addresses.foreign == coalesce::Foreign::reject &&", "false &&"),
    ("recovered-is-left-out", "lib/coalesce/addressing.cc", "        add_recovered(resolved, found, policy);\n", ""),
    ("fallback-stays", "lib/coalesce/addressing.cc", "if (!found.empty()) leave_out(", "if (false) leave_out("),
    ("recovered-is-not-rewritten", "lib/coalesce/addressing.cc", "auto rewritten = rewrite(*mailbox, policy);",
     "auto rewritten = mailbox->text();"),
    ("other-spelling-is-shown", "lib/message/trace.cc", "        addresses.push_back(address.substr(0, address.size() - domain.size()) + from);\n",
     ""),
    ("notice-shows-other-spelling", "lib/ledger/notices.cc", "forwarded_header(content.header, everyone, policy.spellings)",
     "forwarded_header(content.header, everyone, {})"),
    ("observed-is-merged", "lib/relay/intake.cc", "copy.arriving.alone = copy.untouched || incomparable;",
     "copy.arriving.alone = incomparable;"),
    ("observed-is-changed", "lib/relay/intake.cc", "    copy.untouched = assembly.untouched() || observe;\n",
     "    copy.untouched = assembly.untouched();\n"),
    ("recovered-is-told-to-the-sender", "lib/coalesce/telling.cc",
     "policy_.notify == Notified::postmaster || member.recovered || !can_be_told(sender)",
     "policy_.notify == Notified::postmaster || !can_be_told(sender)"),
]


def build(source, target):
    command = ["ninja", "-C", str(source / "build"), target]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.returncode == 0, ran.stdout[-2000:]


def seeds_until_found(program, base, most):
    """None: not found. A run that does not end, or crashes, is one that was found."""
    at = base
    while at < base + most:
        step = min(20, base + most - at)
        command = [program, "--seed", str(at), "--seeds", str(step)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            return at - base + 1, "does not end"
        if ran.returncode != 0:
            found = re.search(r"seed (\d+): (.*)", ran.stdout)
            return (int(found[1]) - base + 1, found[2]) if found else (at - base + 1, f"status {ran.returncode}")
        at += step
    return None, ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--base", type=int, default=random.randrange(1, 1 << 40))
    parser.add_argument("--seeds", type=int, default=1500)
    parser.add_argument("--work", default="")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="onecopy-mutants."))
    shutil.copytree(TOP, work / "src", ignore=shutil.ignore_patterns("build*", ".git"), dirs_exist_ok=True)
    for _, file, _, _ in FAULTS:
        (work / "src" / file).touch()  # what an earlier round had left there was built
    source, target = work / "src", "tests/simulation/simulation"
    subprocess.run(["meson", "setup", str(source / "build"), str(source)], check=True, stdout=subprocess.DEVNULL)
    built, words = build(source, target)
    if not built:
        sys.exit(words)
    missed = 0
    print(f"from seed {options.base} on, at most {options.seeds} each", flush=True)
    for name, file, old, new in FAULTS:
        if wanted and name not in wanted:
            continue
        path = source / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{name}: {file} holds {text.count(old)} times: {old}")
        path.write_text(text.replace(old, new))
        began = time.monotonic()
        built, words = build(source, target)
        if not built:
            sys.exit(f"{name} can't be built: {words}")
        took, why = seeds_until_found(str(source / "build" / target), options.base, options.seeds)
        path.write_text(text)
        missed += took is None
        verdict = "NOT FOUND" if took is None else f"found at seed {took}: {why}"
        print(f"{name}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    if not options.work:
        shutil.rmtree(work)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
