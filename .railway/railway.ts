// What Railway runs, as code: `railway config plan` shows the difference, `railway config apply` makes it so.
// docs/RAILWAY_SETUP.md leads through it. tests/e2e/test_railway_stand_in.py reads the steps from this file and
// does on one machine what Railway does with them, so commands and times stay plain literals.
import { defineRailway, github, preserve, project, service } from "railway/iac";

export default defineRailway(() => {
  const api = service("ibex", {
    // Your fork or copy of the repository. Every push to the branch deploys it.
    source: github("YOUR-ACCOUNT/YOUR-REPOSITORY", { branch: "main" }),
    build: {
      builder: "RAILPACK",
      // Exactly what uv.lock says and none of the development tools; the service as the wheel that it ships as.
      buildCommand: "uv sync --locked --no-dev --no-editable",
    },
    deploy: {
      // Runs once for each deployment, in a container of its own, before anything of it is started. A failure stops
      // the deployment, and the running one goes on: so this is where the schema changes.
      preDeployCommand: ["ibex migrate deploy"],
      // The command runs in a shell. Without exec SIGTERM would end the shell and nothing would be drained.
      startCommand: "exec ibex serve",
      // 200 only with the database and the schema that this code needs. Seconds.
      healthcheckPath: "/health/ready",
      healthcheckTimeout: 120,
      // The old deployment serves on while the edge learns of the new one. Seconds; the default is none at all.
      overlapSeconds: 20,
      // From SIGTERM to SIGKILL; more than IBEX_DRAIN_SECONDS and IBEX_SHUTDOWN_GRACE_SECONDS together.
      drainingSeconds: 45,
      restartPolicyType: "ON_FAILURE",
      restartPolicyMaxRetries: 10,
      // A till must not wait for a container to wake up.
      sleepApplication: false,
      numReplicas: 1,
    },
    env: {
      // Set in the dashboard, once: Neon's connection string. This file never holds it, and applying keeps it.
      DATABASE_URL: preserve(),
      // The same two times again, as the variables that Railway documents, and that `ibex check` compares.
      RAILWAY_DEPLOYMENT_OVERLAP_SECONDS: "20",
      RAILWAY_DEPLOYMENT_DRAINING_SECONDS: "45",
    },
  });

  return project("ibex", { resources: [api] });
});
