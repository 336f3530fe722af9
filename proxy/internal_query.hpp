/// A small statement of Sluice's own on a link, with its result gathered.
///
/// For set-up, KILL and questions about a link's state. Rows are kept, so it is
/// for results of a few rows only: one above `max_bytes` is an error.
/// Thread: the link's worker. One run at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/resultset.hpp"
#include "proxy/link.hpp"

namespace sluice::proxy {

class InternalQuery final : public ReplySink {
 public:
  using Row = std::vector<std::optional<std::string>>;
  struct Column {
    protocol::ColumnType type = protocol::ColumnType::null;
    std::uint16_t flags = 0;  ///< protocol::column_flag
  };
  static constexpr std::size_t max_bytes = 256 * 1024;

  explicit InternalQuery(Executor executor) : done_(std::move(executor)) {}
  ~InternalQuery() override;

  /// Sends and waits. Errors: those of the link, Errc::too_large, and
  /// unexpected_packet if the backend asks for a file; an ERR is no error but `refusal()`.
  Task<error_code> run(std::shared_ptr<Link> link, std::string statement,
                       protocol::Command command = protocol::Command::query);

  [[nodiscard]] const std::optional<protocol::Refusal>& refusal() const noexcept {
    return refusal_;
  }
  /// The ERR packet's payload as it came, to be passed on; empty without one.
  [[nodiscard]] const protocol::Buffer& refusal_payload() const noexcept {
    return refusal_payload_;
  }
  [[nodiscard]] const std::vector<Column>& columns() const noexcept { return columns_; }
  /// Set when the command was STMT_PREPARE and succeeded.
  [[nodiscard]] const std::optional<protocol::PrepareOk>& prepared() const noexcept {
    return prepared_;
  }
  [[nodiscard]] const std::vector<Row>& rows() const noexcept { return rows_; }

 private:
  void on_bytes(ExchangeTag, protocol::Bytes bytes) override;
  void on_packet(ExchangeTag, protocol::ResponseTracker::Packet kind, protocol::Bytes packet,
                 const protocol::OkPacket* ok, bool last) override;
  void on_infile(ExchangeTag, protocol::Bytes) override;
  void on_end(ExchangeTag, const protocol::ResponseTracker& tracker, error_code error) override;
  void decode_rows(protocol::Capabilities capabilities);

  std::shared_ptr<Link> link_;
  Event done_;
  protocol::Buffer body_;
  error_code error_;
  std::optional<protocol::Refusal> refusal_;
  protocol::Buffer refusal_payload_;
  std::optional<protocol::PrepareOk> prepared_;
  std::vector<Row> rows_;
  std::vector<Column> columns_;
  bool ended_ = true;
  bool too_large_ = false;
  bool file_asked_ = false;
};

}  // namespace sluice::proxy
