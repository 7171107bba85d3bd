"""What reviewers and those who set policy do, as tests of the matcher say it."""

from protos.matcher.v1 import policy_pb2
from protos.matcher.v1 import review_pb2 as pb


async def lease(world, reviewer="ann", **fields):
    return await world.review.LeaseReviewTask(pb.LeaseReviewTaskRequest(reviewer_id=reviewer, **fields))


async def decide(world, task, reviewer="ann", verdict=pb.VERDICT_APPROVE, **fields):
    request = pb.DecideReviewTaskRequest(
        task_id=task.id, reviewer_id=reviewer, lease_token=task.lease.token, verdict=verdict, **fields
    )
    return await world.review.DecideReviewTask(request)


async def use_policy(world, **fields):
    active = await world.policy.GetPolicy(policy_pb2.GetPolicyRequest())
    for name, value in fields.items():
        setattr(active, name, value)
    request = policy_pb2.CreatePolicyVersionRequest(policy=active, activate=True, actor="ops")
    return await world.policy.CreatePolicyVersion(request)
