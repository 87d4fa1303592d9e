# Compiles this service, with the compiler and all.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# The packages first: they change less often than the code, and so stay in the cache.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY lib lib
COPY consumers/consumer_fromNewest.ts consumers/
RUN npx tsc

# The packages that it needs to run, without the compiler and the tests' ones.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Runs it: Node, those packages, its compiled code.
FROM node:24-bookworm-slim
# A heap that fits in the container's 128 MB. Of itself Node takes more, and only then collects what is not needed.
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=64 --max-semi-space-size=4"
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "consumers/consumer_fromNewest.js"]

# Settings: edit them, and run ./buildAndRun.sh again. This block is last, so nothing else is built anew.
# With a GROUP_ID of your own, the consumer resumes where it committed: GROUP_ID=my-group
ENV KAFKA_TOPIC=test-topic \
    TOPIC_PARTITIONS=1 \
    AUTO_OFFSET_RESET=latest \
    HANDLER_DELAY_MS=0
