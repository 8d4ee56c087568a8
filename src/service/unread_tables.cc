#include "matrixcore/service/unread_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kNotices{
    .name = "notices",
    .columns = {{"room", kInt64},
                {"pos", kInt64},
                {"idx", kInt64},
                {"sender", kText},
                {"thread", kText, true},
                {"highlight", kInt64},
                {"actions", kText},
                {"ts", kInt64},
                {"total", kInt64},
                {"highlights", kInt64},
                {"thread_total", kInt64},
                {"thread_highlights", kInt64}},
    .key_columns = 2,
};

const TableSpec kThreadNotices{
    .name = "thread_notices",
    .columns = {{"room", kInt64},
                {"thread", kText},
                {"pos", kInt64},
                {"total", kInt64},
                {"highlights", kInt64}},
    .key_columns = 3,
};

const TableSpec kNoticeThreads{
    .name = "notice_threads",
    .columns = {{"room", kInt64},
                {"thread", kText},
                {"last_pos", kInt64},
                {"total", kInt64},
                {"highlights", kInt64}},
    .key_columns = 2,
    .indexes = {{"last_pos", {NoticeThreads::kRoom, NoticeThreads::kLastPos}}},
};

const TableSpec kPersonalNotices{
    .name = "personal_notices",
    .columns = {{"user_id", kText},
                {"room", kInt64},
                {"pos", kInt64},
                {"idx", kInt64},
                {"thread", kText, true},
                {"notify", kInt64},
                {"highlight", kInt64},
                {"usual_notify", kInt64},
                {"usual_highlight", kInt64},
                {"actions", kText},
                {"ts", kInt64}},
    .key_columns = 3,
    .indexes = {{"pos", {PersonalNotices::kUser, PersonalNotices::kPos}}},
};

const TableSpec kNoticeModes{
    .name = "notice_modes",
    .columns = {{"user_id", kText}, {"room", kInt64}, {"from_pos", kInt64}},
    .key_columns = 2,
    .indexes = {{"room", {NoticeModes::kRoom}}},
};

const TableSpec kPushUsers{
    .name = "push_users",
    .columns = {{"user_id", kText}, {"threads", kInt64}},
    .key_columns = 1,
};

const TableSpec kReadMarks{
    .name = "read_marks",
    .columns = {{"user_id", kText},
                {"room", kInt64},
                {"thread", kText},
                {"read_pos", kInt64},
                {"stay", kInt64},
                {"pos", kInt64}},
    .key_columns = 3,
};

const TableSpec kThreadSubscriptions{
    .name = "thread_subscriptions",
    .columns = {{"user_id", kText},
                {"room", kInt64},
                {"thread", kText},
                {"subscribed", kInt64},
                {"automatic", kInt64},
                {"pos", kInt64}},
    .key_columns = 3,
    .indexes = {{"pos",
                 {ThreadSubscriptions::kUser, ThreadSubscriptions::kPos}}},
};

std::vector<TableSpec> UnreadTables() {
  return {kNotices,     kThreadNotices, kNoticeThreads, kPersonalNotices,
          kNoticeModes, kPushUsers,     kReadMarks,     kThreadSubscriptions};
}

}  // namespace matrixcore::tables
