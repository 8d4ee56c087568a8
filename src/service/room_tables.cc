#include "matrixcore/service/room_tables.h"

#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/unread_tables.h"

namespace matrixcore {

RoomTableList TablesOfRooms() {
  using namespace tables;
  RoomTableList list;
  list.by_room = {&kReceipts, &kNotices, &kThreadNotices, &kNoticeThreads};
  list.by_user = {&kPersonalNotices, &kNoticeModes, &kReadMarks,
                  &kThreadSubscriptions};
  list.by_user_and_id = {&kAccountData};
  list.users = &kUsers;
  list.named = {{&kReports, Reports::kRoomId},
                {&kDelayedEvents, DelayedEvents::kRoomId}};
  return list;
}

}  // namespace matrixcore
