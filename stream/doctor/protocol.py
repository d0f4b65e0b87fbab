"""Protocol: two questions of Kafka's that aiokafka does not ask.

Who the members of a group are by their own names, and when the coordinator
says that a transaction began: the only place where a broker tells the time.
"""

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)


class DescribeGroupsResponseV4(Response):  # type: ignore[misc]
    """Groups, and their members with the names that outlive restarts."""

    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("group_instance_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class DescribeGroupsRequestV4(RequestStruct):  # type: ignore[misc]
    """The question for it."""

    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = DescribeGroupsResponseV4
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class DescribeGroup(Request[DescribeGroupsRequestV4]):  # type: ignore[misc]
    """Asks the coordinator of a group about it."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        """Ask about this group."""
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequestV4]) -> DescribeGroupsRequestV4:
        """Return it as it is sent."""
        return request_struct_class([self._group], False)  # noqa: FBT003 - by position, as sent


class DescribeTransactionsResponseV0(Response):  # type: ignore[misc]
    """Transactional ids, and the transaction that each has open."""

    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("transaction_state", CompactString("utf-8")),
                ("transaction_timeout_ms", Int32),
                ("transaction_start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        ("partitions", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeTransactionsRequestV0(RequestStruct):  # type: ignore[misc]
    """The question for it."""

    API_KEY = 65
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeTransactionsResponseV0
    SCHEMA = Schema(
        ("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields)
    )


class DescribeTransaction(Request[DescribeTransactionsRequestV0]):  # type: ignore[misc]
    """Asks the coordinator of a transactional id about its transaction."""

    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        """Ask about this id."""
        self._transactional_id = transactional_id

    def build(
        self, request_struct_class: type[DescribeTransactionsRequestV0]
    ) -> DescribeTransactionsRequestV0:
        """Return it as it is sent."""
        return request_struct_class([self._transactional_id], {})
